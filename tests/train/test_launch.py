"""What is ready to launch with: accelerate reads its configurations, the SLURM script stops and requeues, the image."""

import os
import re
import shutil
import signal
import subprocess
import sys
import time

import pytest
from accelerate.commands.config.config_args import load_config_from_file

from tests.helpers import REPOSITORY
from tests.helpers.launch import SHARDED

LAUNCH = REPOSITORY / "train" / "launch"


@pytest.mark.parametrize(
    ("name", "kind", "processes"),
    [("one_gpu", "NO", 1), ("four_gpus", "MULTI_GPU", 4), ("two_nodes", "MULTI_GPU", 8), ("fsdp2", "FSDP", 4)],
)
def test_accelerate_reads_its_configurations(name, kind, processes):
    config = load_config_from_file(str(LAUNCH / f"{name}.yaml"))
    assert config.distributed_type == kind and config.num_processes == processes
    if name == "fsdp2":  # the answers that the tests of shards launch with
        answers = dict(zip(SHARDED[1::2], SHARDED[2::2]))
        assert {f"--{key}": str(value) for key, value in config.fsdp_config.items()} == {
            key: value.title() if value in ("true", "false") else value for key, value in answers.items()
        }


# srun runs the step; accelerate waits for the signal, as a trainer would.
FAKES = {
    "srun": 'exec "$@"',
    "scontrol": 'echo "$@" >> said; if [ "$1" = show ]; then echo node1; echo node2; fi',
    "scancel": f"{sys.executable} -c \"import os; os.kill(int(open('step').read()), 10)\"",
    "accelerate": f'exec {sys.executable} -c "\n'
    "import os, signal, sys\n"
    "assert signal.getsignal(signal.SIGUSR1) == signal.SIG_IGN\n"
    "signal.signal(signal.SIGUSR1, lambda *_: (open('said', 'a').write('saved\\\\n'), sys.exit(138)))\n"
    "open('said', 'a').write(' '.join(sys.argv[1:]) + chr(10)); open('step', 'w').write(str(os.getpid()))\n"
    'signal.pause()" "$@"',
}


def test_the_slurm_script_saves_and_requeues_before_its_time_is_over(tmp_path):
    for name, script in FAKES.items():
        (tmp_path / name).write_text(f"#!/bin/bash\n{script}\n")
        (tmp_path / name).chmod(0o755)
    variables = {"PATH": f"{tmp_path}:{os.environ['PATH']}", "SLURM_JOB_ID": "7", "SLURM_NODEID": "0"}
    job = subprocess.Popen(
        ["bash", LAUNCH / "slurm.sh", "--train_dir", "my faces"],
        cwd=tmp_path,
        env={**os.environ, **variables, "SLURM_JOB_NODELIST": "node[1-2]"},
    )
    while job.poll() is None and not ((tmp_path / "step").exists() and (tmp_path / "step").read_text()):
        time.sleep(0.05)
    job.send_signal(signal.SIGUSR1)
    job.wait(60)
    said = (tmp_path / "said").read_text().splitlines()
    assert said[0] == "show hostnames node[1-2]" and said[2:] == ["saved", "requeue 7"]
    assert "--machine_rank 0 --main_process_ip node1 train/train.py --train_dir my faces" in said[1]
    assert said[1].endswith("--resume_from_checkpoint latest")


def lines(name: str) -> list[str]:
    """Of a file of the repository, without comments."""
    return [line for line in (REPOSITORY / name).read_text().splitlines() if line and not line.startswith("#")]


def test_the_image_has_what_the_page_needs_and_nothing_that_git_ignores():
    ignored = {line.strip("*/") for line in lines(".dockerignore")}
    assert {line.strip("*/") for line in lines(".gitignore")} <= ignored
    assert not ignored & {"app.py", "grefel_hf", "space", "requirements.txt", "docs", "train"}
    assert re.findall(r"^COPY (?:--\S+ )?(\S+) ", "\n".join(lines("Dockerfile")), re.M) == ["requirements.txt", "."]
    # pip finds no file but this one, and of it every version is pinned.
    assert all("==" in line for line in lines("requirements.txt"))


def test_the_image_serves_the_page():
    if not shutil.which("docker") or subprocess.run(["docker", "info"], capture_output=True).returncode:
        pytest.skip("needs docker")
    subprocess.run(["docker", "build", "--tag", "grefel-test", REPOSITORY], check=True)
    name = f"grefel-test-{os.getpid()}"
    subprocess.run(["docker", "run", "--rm", "--detach", "--name", name, "grefel-test"], check=True)
    fetch = "import urllib.request; urllib.request.urlopen('http://127.0.0.1:7860').read()"
    try:
        for _ in range(90):
            if not subprocess.run(["docker", "exec", name, "python", "-c", fetch], capture_output=True).returncode:
                return
            time.sleep(1)
        pytest.fail("the page did not answer")
    finally:
        subprocess.run(["docker", "kill", name], capture_output=True)
