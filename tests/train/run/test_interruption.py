"""Who asks a process to stop, and whom that leaves alone."""

import multiprocessing
import os
import signal
import subprocess
import time

import pytest
from accelerate import Accelerator

from grefel_train.run.interruption import LAUNCHED, Interrupted, StopRequest, outlive_signals


@pytest.fixture
def stop(monkeypatch):
    for name in LAUNCHED:
        monkeypatch.delenv(name, raising=False)
    request = StopRequest()
    with request.listening():
        yield request


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGUSR1, signal.SIGINT])
def test_a_signal_ends_the_run_at_the_next_check(stop, number, capfd):
    accelerator = Accelerator(cpu=True)
    stop.check(accelerator)
    os.kill(os.getpid(), number)
    with pytest.raises(Interrupted, match=number.name) as interruption:
        stop.check(accelerator)
    assert interruption.value.exit_code == 128 + number
    assert "stops after this step" in capfd.readouterr().err


def test_a_second_ctrl_c_ends_it_at_once_but_not_one_that_a_launcher_passed_on(stop):
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGINT)
    os.kill(os.getpid(), signal.SIGTERM)
    stop.since -= 2
    os.kill(os.getpid(), signal.SIGTERM)
    with pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), signal.SIGINT)


def test_a_launcher_that_ends_ends_its_trainer(monkeypatch):
    monkeypatch.setenv(LAUNCHED[0], "no")
    monkeypatch.setattr(os, "getppid", lambda: 7)
    stop = StopRequest()
    assert stop.reason is None
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert "launcher" in stop.reason
    monkeypatch.delenv(LAUNCHED[0])
    monkeypatch.setattr(os, "getppid", lambda: 7)
    stop = StopRequest()  # not launched: a terminal that closes is no reason
    monkeypatch.setattr(os, "getppid", lambda: 1)
    assert stop.reason is None


def work(ready):
    outlive_signals()
    ready.set()
    time.sleep(60)


@pytest.mark.skipif(not hasattr(signal, "sigwaitinfo"), reason="needs sigwaitinfo")
def test_workers_outlive_what_a_job_is_sent_and_end_with_their_parent():
    context = multiprocessing.get_context("fork")
    ready = context.Event()
    worker = context.Process(target=work, args=(ready,), daemon=True)
    worker.start()
    assert ready.wait(20)
    for name in ("TERM", "INT", "USR1"):
        subprocess.run(["kill", f"-{name}", str(worker.pid)], check=True)
    worker.join(0.5)
    assert worker.is_alive()
    worker.terminate()
    worker.join(20)
    assert worker.exitcode == 0
