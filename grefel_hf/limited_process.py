"""
A process of its own for what a stranger's file may do to its decoder: limited in memory and in time, without secrets in
its environment, and killed when it is late or no longer needed. The first half is for that process, the second for the
one that starts it.
"""

import contextlib
import json
import os
import signal
import subprocess
import weakref
from pathlib import Path
from typing import IO, Any

try:
    import resource
except ImportError:  # Windows, where neither memory nor time is limited
    resource = None

LENGTH_BYTES = 4  # before each answer
LONGEST_ANSWER = 100_000  # bytes of JSON
IDLE = 10  # times as long as the limit for work, for work and waiting
BASE_MEMORY = 1_000_000_000  # bytes of address space, before what pixels need
END_SECONDS = 5.0  # for a process that gives no more answers
LATE = {-getattr(signal, name) for name in ("SIGPROF", "SIGALRM") if hasattr(signal, name)}
PACKAGES = Path(__file__).parents[1]
# What such a process needs of the environment; tokens and keys are not for it.
ENVIRONMENT = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "LANG", "LC_ALL", "TMPDIR")


def limit_process(pixel_bytes: int) -> None:
    """No more address space than pixels of so many bytes need, no file written, no core."""
    if resource:
        most = BASE_MEMORY + pixel_bytes
        for limit, value in ((resource.RLIMIT_AS, most), (resource.RLIMIT_FSIZE, 0), (resource.RLIMIT_CORE, 0)):
            resource.setrlimit(limit, (value, value))


def allow(seconds: float) -> None:
    """
    The process ends by SIGPROF after so many seconds of work, also within a decoder, unless this is called again in
    time; by SIGALRM where it does not even work. 0 for no end.
    """
    if hasattr(signal, "setitimer"):
        signal.setitimer(signal.ITIMER_PROF, seconds)  # of processors: a busy machine is no reason
        signal.setitimer(signal.ITIMER_REAL, seconds * IDLE)


def take_answers() -> IO[bytes]:
    """What answers are written to; whatever else is printed is none."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return answers


def send(answers: IO[bytes], **facts: Any) -> None:
    """Their length, and they as JSON."""
    content = json.dumps(facts).encode()
    answers.write(len(content).to_bytes(LENGTH_BYTES, "big") + content)
    answers.flush()


class ProcessEndedError(Exception):
    """The process gives no more answers. is_late: it took more time than it has."""

    def __init__(self, is_late: bool):
        super().__init__("the process has ended")
        self.is_late = is_late


class LimitedProcess:
    """
    The other end. The process limits itself, by the functions above; it ends with this object.

    Args:
        command: to run, whose answers are those of `send`, or raw bytes where these say so.
    """

    def __init__(self, *command: str):
        packages = os.pathsep.join(filter(None, (str(PACKAGES), os.environ.get("PYTHONPATH"))))
        environment = {name: os.environ[name] for name in ENVIRONMENT if name in os.environ} | {
            "PYTHONPATH": packages,
            "PYTHONSAFEPATH": "1",
            "MALLOC_ARENA_MAX": "2",  # of address space each thread would reserve much
            "OPENBLAS_NUM_THREADS": "1",
        }
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
        self.process = subprocess.Popen(command, bufsize=0, env=environment, **pipes)
        self.answers: IO[bytes] = self.process.stdout
        weakref.finalize(self, _end, self.process)

    def end(self) -> None:
        """Kill it."""
        _end(self.process)

    def ask(self, request: bytes) -> None:
        """Raises ProcessEndedError."""
        sent = 0
        try:
            while sent < len(request):
                sent += self.process.stdin.write(memoryview(request)[sent:])
        except (OSError, ValueError):
            raise self._ended() from None

    def answer(self) -> dict[str, Any]:
        """The next facts; raises ProcessEndedError, also for what is no answer."""
        size = int.from_bytes(self.read(LENGTH_BYTES), "big")
        try:
            facts = json.loads(self.read(size)) if size <= LONGEST_ANSWER else None
        except (ValueError, RecursionError):
            facts = None
        if not isinstance(facts, dict):
            raise ProcessEndedError(is_late=False)
        return facts

    def read(self, size: int) -> bytearray:
        """So many bytes; raises ProcessEndedError."""
        content, read = bytearray(size), 0
        while read < size:
            try:
                count = self.answers.readinto(memoryview(content)[read:])
            except (OSError, ValueError):
                count = 0
            if not count:
                raise self._ended()
            read += count
        return content

    def _ended(self) -> ProcessEndedError:
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.process.wait(END_SECONDS)
        return ProcessEndedError(self.process.returncode in LATE)


def _end(process: subprocess.Popen) -> None:
    process.kill()
    process.stdin.close()
    process.stdout.close()
    process.wait()
