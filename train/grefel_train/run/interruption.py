"""Ending a run at its next step where the user or the system asks, in all its processes alike."""

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from accelerate import Accelerator

# SIGUSR1 is what SLURM sends before a job's time is over (`#SBATCH --signal=USR1@120`); Windows has none.
SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGUSR1") if hasattr(signal, name))
LAUNCHED = ("ACCELERATE_MIXED_PRECISION", "TORCHELASTIC_RUN_ID")  # what the launchers set
AT_ONCE_AFTER = 1.0  # seconds; a launcher passes the terminal's Ctrl-C on, so that one arrives twice


class Interrupted(Exception):
    """The run is to end here; `exit_code` is the shell's for the signal that asked for it."""

    def __init__(self, reason: str, exit_code: int):
        super().__init__(reason)
        self.exit_code = exit_code


class StopRequest:
    """
    Who has asked this process to stop: nobody, a signal, or the launcher by its death, which would leave a trainer that
    goes on writing where another may have been started.
    """

    def __init__(self):
        self.signal: int | None = None
        self.since = 0.0
        self.process = os.getpid()
        self.launcher = os.getppid() if any(name in os.environ for name in LAUNCHED) else None

    def handle(self, number: int, frame):
        """A signal's handler. Raises KeyboardInterrupt for a second Ctrl-C."""
        if os.getpid() != self.process:  # a forked child, which its parent ends
            return
        if self.signal is None:
            self.signal, self.since = number, time.monotonic()
            ways_out = "; Ctrl-C again ends it at once" if number == signal.SIGINT else ""
            os.write(2, f"\nThe run stops after this step and saves a checkpoint{ways_out}.\n".encode())
        elif number == signal.SIGINT and time.monotonic() - self.since > AT_ONCE_AFTER:
            raise KeyboardInterrupt

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Within the block the signals of `SIGNALS` are noted, for the work to look at."""
        previous = {number: signal.signal(number, self.handle) for number in SIGNALS}
        try:
            yield
        finally:
            for number, handler in previous.items():
                signal.signal(number, handler)

    @property
    def reason(self) -> str | None:
        if self.signal is not None:
            return signal.Signals(self.signal).name
        return "the end of its launcher" if self.launcher not in (None, os.getppid()) else None

    def check(self, accelerator: Accelerator):
        """
        To be called by all processes at the same step.

        Raises:
            Interrupted: one of them has been asked to stop.
        """
        reason = self.reason
        if reason:
            accelerator.set_trigger()
        if accelerator.check_trigger():
            raise Interrupted(reason or "the end of another process", 128 + (self.signal or signal.SIGTERM))


def outlive_signals(worker: int = 0):
    """
    For a worker of a DataLoader, by whom its parent would be told of an error: signals that are sent to all processes
    of a job leave it alone. It ends when its parent says so.
    """
    for number in SIGNALS:
        if number != signal.SIGTERM:
            signal.signal(number, signal.SIG_IGN)
    if not hasattr(signal, "sigwaitinfo"):
        return
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})

    def wait_for_parent():
        while signal.sigwaitinfo({signal.SIGTERM}).si_pid != os.getppid():
            pass
        os._exit(0)

    threading.Thread(target=wait_for_parent, daemon=True).start()
