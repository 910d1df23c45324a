"""What a process may take that decodes for strangers."""

import signal

from grefel_hf import limited_process
from grefel_hf.limited_process import IDLE, allow


def test_work_and_waiting_have_an_end_each(monkeypatch):
    """Either ends a process that works without an end; what only waits needs the second."""
    asked = {}
    monkeypatch.setattr(limited_process.signal, "setitimer", lambda which, seconds: asked.update({which: seconds}))
    allow(2.0)
    assert asked == {signal.ITIMER_PROF: 2.0, signal.ITIMER_REAL: 2.0 * IDLE}
    allow(0)
    assert asked == {signal.ITIMER_PROF: 0, signal.ITIMER_REAL: 0}
