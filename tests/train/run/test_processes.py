"""Freed memory stays with the process."""

import platform
import subprocess
import sys

import pytest

from tests.helpers import REPOSITORY

ALLOCATE = """
import resource
from grefel_train.run.processes import keep_freed_memory
if {keep}:
    keep_freed_memory()
def allocate():
    b"x" * (1 << 25)
allocate()
before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
for _ in range(10):
    allocate()
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""


def page_faults(keep: bool) -> int:
    """Of ten allocations of 32 MB, in a process of their own."""
    command = [sys.executable, "-c", ALLOCATE.format(keep=keep)]
    return int(subprocess.run(command, cwd=REPOSITORY / "train", capture_output=True, check=True).stdout)


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="needs glibc")
def test_memory_that_is_used_again_costs_no_page_faults():
    assert page_faults(keep=True) < page_faults(keep=False) / 10
