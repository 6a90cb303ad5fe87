"""How a run is asked to stop."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from trainer.stopping import STOP_FILE, stop_on_signals


@pytest.fixture(autouse=True)
def python_s_own() -> Iterator[None]:
    """Python's own handler of SIGINT, whatever these tests were started by."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_the_first_ctrl_c_asks_and_the_second_ends_at_once(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt), stop_on_signals(tmp_path) as stop:
        assert not stop.asked
        signal.raise_signal(signal.SIGINT)
        assert (stop.asked, stop.interrupted) == (True, True)
        signal.raise_signal(signal.SIGINT)
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert not list(tmp_path.iterdir())


def test_sigterm_asks_however_often_it_comes(tmp_path: Path) -> None:
    with stop_on_signals(tmp_path) as stop:
        signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    assert (stop.asked, stop.interrupted) == (True, False)


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGINT])
def test_workers_elsewhere_are_told_by_the_file(sent: signal.Signals, tmp_path: Path) -> None:
    with stop_on_signals(tmp_path, tells_workers=True):
        signal.raise_signal(sent)
    assert (tmp_path / STOP_FILE).exists()


def test_a_job_in_the_background_that_ignores_ctrl_c_goes_on_doing_so(tmp_path: Path) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    with stop_on_signals(tmp_path) as stop:
        signal.raise_signal(signal.SIGINT)
    assert not stop.asked
