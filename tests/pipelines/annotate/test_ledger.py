"""The ledger of attempts, with real processes that die in the middle of one."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from graph200k.storage import Folder
from pipelines.annotate.ledger import Ledger, ledger_folder

_DIE = """
import os, signal, sys, time
from pathlib import Path
from pipelines.annotate.ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), "unit")
with ledger.attempt("good", "canny", 60):
    pass
with ledger.attempt("bad", "canny", float(sys.argv[2])):
    if sys.argv[3] == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(60)
"""


def _die(folder: Path, how: str) -> None:
    limit = "0.2" if how == "hangs" else "60"
    done = subprocess.run([sys.executable, "-c", _DIE, str(folder), limit, how], capture_output=True, timeout=30)
    assert done.returncode != 0


def test_attempts_that_ended_leave_no_verdict(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "unit")
    for _ in range(5):
        with ledger.attempt("a", "canny", 60):
            pass
    ledger.close(finished=False)
    assert Ledger(tmp_path, "unit").verdict("a", "canny") is None


def test_an_annotator_that_raises_has_ended_its_attempt(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "unit")
    for _ in range(3):
        try:
            with ledger.attempt("a", "canny", 60):
                raise RuntimeError
        except RuntimeError:
            continue
    ledger.close(finished=False)
    assert Ledger(tmp_path, "unit").verdict("a", "canny") is None


def test_two_deaths_on_one_record_condemn_it_and_no_other(tmp_path: Path) -> None:
    _die(tmp_path, "killed")
    first = Ledger(tmp_path, "unit")
    assert first.verdict("bad", "canny") is None
    first.close(finished=False)
    _die(tmp_path, "killed")
    second = Ledger(tmp_path, "unit")
    verdict = second.verdict("bad", "canny")
    assert verdict is not None
    assert verdict[0] == "worker_died"
    assert second.verdict("good", "canny") is None
    assert second.verdict("bad", "mlsd") is None


def test_a_worker_that_takes_too_long_is_ended_and_its_record_condemned_at_once(tmp_path: Path) -> None:
    _die(tmp_path, "hangs")
    for _ in range(2):  # a verdict outlives the worker that came to it
        ledger = Ledger(tmp_path, "unit")
        verdict = ledger.verdict("bad", "canny")
        assert verdict is not None
        assert verdict[0] == "timeout"
        ledger.close(finished=False)


def test_records_attempted_together_are_not_again_after_one_death_or_timeout(tmp_path: Path) -> None:
    for how in ("killed", "hangs"):
        ledger = Ledger(tmp_path / how, "unit")
        assert not ledger.failed_together("bad", "canny")
        ledger.close(finished=True)
        _die(tmp_path / how, how)
        ledger = Ledger(tmp_path / how, "unit")
        assert ledger.failed_together("bad", "canny")
        assert not ledger.failed_together("good", "canny")


def test_a_finished_unit_leaves_no_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path, "unit")
    with ledger.attempt("a", "canny", 60):
        pass
    ledger.close(finished=True)
    assert list(tmp_path.iterdir()) == []


def test_ledgers_lie_with_the_parts_where_that_is_a_file_system(tmp_path: Path) -> None:
    assert ledger_folder(Folder(str(tmp_path)), "run") == tmp_path / "parts" / "run" / "ledger"
    assert ledger_folder(Folder("memory://x"), "run").name == "graph200k-run"
