"""
Running the project's scripts as a user runs them, each in a process of its own.

Starting one takes seconds, nearly all of them for imports. So a server imports what the scripts import, once, and runs
are forks of it: they have their own arguments, environment, output and end, and can be killed.
"""

import multiprocessing
import os
import runpy
import signal
import socket
import subprocess
import sys
import tempfile
import time
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path
from unittest import mock

import numpy as np

from tests.helpers import REPOSITORY

# The answers to `accelerate config` that README gives for FSDP.
SHARDED = """--use_fsdp --fsdp_version 2 --fsdp_reshard_after_forward true --fsdp_offload_params false
--fsdp_auto_wrap_policy TRANSFORMER_BASED_WRAP --fsdp_transformer_layer_cls_to_wrap GReFELCrossFusion,GReFELLayer
--fsdp_state_dict_type SHARDED_STATE_DICT --fsdp_cpu_ram_efficient_loading false""".split()
PATH = os.pathsep.join(map(str, [REPOSITORY, REPOSITORY / "train"]))


def environment() -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": PATH, "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1"}


def run(*arguments, processes: int = 0, **variables: str) -> subprocess.CompletedProcess:
    """
    `python ARGUMENTS` to its end, with what it printed as text.

    Args:
        arguments: a script, or -c and code, and what they get.
        processes: of how many it is one; 0 does not tell it so.
        variables: of the environment; given any, the process is no fork, as imports may read them.
    """
    if variables:
        assert not processes
        words = [sys.executable, *map(str, arguments)]
        return subprocess.run(words, cwd=REPOSITORY, env=environment() | variables, capture_output=True, text=True)
    with tempfile.TemporaryDirectory(prefix="grefel-said-") as folder:
        started = start(*arguments, processes=processes, said=Path(folder))
        while any(process.exitcode is None for process in started):
            time.sleep(0.01)
            if any(process.exitcode for process in started):  # the others may wait for it
                kill(started)
        code = next((process.exitcode for process in started if process.exitcode), 0)
        out, err = (
            "".join(Path(folder, f"{rank}.{kind}").read_text() for rank in range(len(started)))
            for kind in ("out", "err")
        )
    return subprocess.CompletedProcess(arguments, code, out, err)


def launch(*arguments, processes: int = 1, sharded: bool = False) -> subprocess.CompletedProcess:
    """The same by `accelerate launch`, without forks; under FSDP 2 where the processes are `sharded`."""
    words = launch_command(*arguments, processes=processes, sharded=sharded)
    return subprocess.run(words, cwd=REPOSITORY, env=environment(), capture_output=True, text=True)


def launch_command(*arguments, processes: int = 1, sharded: bool = False) -> list[str]:
    words = ["-m", "accelerate.commands.launch", "--num_machines", "1", "--num_processes", processes]
    words += ["--mixed_precision", "no", "--dynamo_backend", "no"]
    # `--cpu` starts one process, whatever number is given (MPI aside). The launcher for GPUs starts several, and
    # ACCELERATE_USE_CPU puts them on the CPU.
    several = SHARDED if sharded else ["--multi_gpu"]
    words += [*several, "--main_process_port", "0"] if processes > 1 else ["--cpu"]
    return [sys.executable, *map(str, [*words, *arguments])]


def start(*arguments, processes: int = 0, said: Path | None = None) -> list[BaseProcess]:
    """Forks that run `python ARGUMENTS`, and print to RANK.out and RANK.err in the folder `said`, if any."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["train"])
    with mock.patch.dict(os.environ, environment()):
        forkserver.ensure_running()
    shared = {}
    if processes:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        shared = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": str(processes)}
    started = []
    for rank in range(processes or 1):
        own = {"RANK": str(rank), "LOCAL_RANK": str(rank)} if processes else {}
        outputs = [said / f"{rank}.{kind}" if said else os.devnull for kind in ("out", "err")]
        words = list(map(str, arguments))
        started.append(context.Process(target=_become, args=(words, environment() | shared | own, outputs)))
        started[-1].start()
    return started


def kill(processes: list[BaseProcess]):
    """At once, with the workers that they started."""
    for process in processes:
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:  # it has no session yet, or ended
            process.kill()
        process.join()


def _become(words: list[str], environment: dict[str, str], outputs: list):
    """In the fork: do what `python WORDS` does."""
    multiprocessing.set_start_method(None, force=True)  # the usual one, for workers of its own
    os.setsid()
    os.chdir(REPOSITORY)
    os.environ.clear()
    os.environ.update(environment)
    for number, file in enumerate(outputs, 1):
        os.dup2(os.open(file, os.O_WRONLY | os.O_CREAT | os.O_APPEND), number)
    np.random.seed()  # else all forks draw the same
    if words[0] == "-c":
        sys.argv = ["-c", *words[2:]]
        exec(words[1], {"__name__": "__main__"})
    else:
        sys.argv = words
        sys.path.insert(0, str(Path(words[0]).parent))
        runpy.run_path(words[0], run_name="__main__")
