"""Running the project's scripts as a user runs them."""

import os
import subprocess
import sys

from tests.helpers import REPOSITORY

LAUNCH = ["-m", "accelerate.commands.launch", "--cpu", "--num_processes", "1", "--num_machines", "1"]
LAUNCH += ["--mixed_precision", "no", "--dynamo_backend", "no"]


def run(*arguments) -> subprocess.CompletedProcess:
    """`python ARGUMENTS` in the repository, with what it printed as text."""
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    return subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=REPOSITORY, env=env, capture_output=True, text=True
    )
