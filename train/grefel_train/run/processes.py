"""What a script does about its process: it keeps freed memory, and ends as one of several can end."""

import ctypes
import os
import platform
import sys

from accelerate import Accelerator

# Parameters of glibc's mallopt(3).
M_TRIM_THRESHOLD, M_MMAP_MAX, M_ARENA_MAX = -1, -4, -8


def keep_freed_memory():
    """
    For scripts that run a network for long. By default glibc takes large blocks fresh from the system and gives them
    back at once, so that every activation costs page faults anew: two CPU cores evaluate nearly twice as fast without
    that. Does nothing but on Linux with glibc; workers of a DataLoader inherit it.
    """
    if platform.libc_ver()[0] != "glibc":
        return
    libc = ctypes.CDLL(None)
    libc.mallopt(M_MMAP_MAX, 0)  # blocks of any size from the heap
    libc.mallopt(M_TRIM_THRESHOLD, -1)  # which never shrinks
    libc.mallopt(M_ARENA_MAX, 1)  # and is the same for all threads, so that it can be used again


def leave(accelerator: Accelerator, exit_code: int = 0):
    """
    End a script: one of several processes without freeing anything, as that could wait for ever while gloo's threads
    still hold what belongs to its process group; a single process as usual.
    """
    if accelerator.num_processes > 1:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(exit_code)
    if exit_code:
        sys.exit(exit_code)
