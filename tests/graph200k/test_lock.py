"""One writer at a time; a dead one does not keep the others out for ever."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from graph200k.errors import DatasetLockedError
from graph200k.lock import LOCK, TAKEOVER, dataset_lock
from graph200k.storage import Folder


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(str(tmp_path))


def leave_lock(folder: Folder, **changes: object) -> None:
    """Write a lock as another process would have left it."""
    lock = {
        "run": "other",
        "host": socket.gethostname(),
        "pid": 1,
        "started": "0",
        "since": "2024-01-01T00:00:00+00:00",
    }
    folder.write(LOCK, json.dumps(lock | changes).encode())


def test_the_lock_is_there_while_the_block_runs_and_gone_after(folder: Folder) -> None:
    with dataset_lock(folder, "mine"):
        lock = json.loads(folder.read(LOCK))
        assert (lock["run"], lock["pid"], lock["host"]) == ("mine", os.getpid(), socket.gethostname())
    assert folder.walk() == []


def test_the_lock_goes_after_an_error(folder: Folder) -> None:
    with pytest.raises(RuntimeError), dataset_lock(folder, "mine"):
        raise RuntimeError
    assert folder.walk() == []


def test_a_second_writer_is_refused_with_who_and_how_to_clear(folder: Folder) -> None:
    with (
        dataset_lock(folder, "first"),
        pytest.raises(DatasetLockedError) as caught,
        dataset_lock(folder, "second"),
    ):
        pass
    for part in ("run first", f"process {os.getpid()}", socket.gethostname(), f"remove {folder.shown(LOCK)}"):
        assert part in str(caught.value)
    assert folder.walk() == []


def test_a_lock_of_a_dead_process_is_taken_over(folder: Folder) -> None:
    process = subprocess.Popen([sys.executable, "-c", "pass"])
    process.wait()
    leave_lock(folder, pid=process.pid)
    with dataset_lock(folder, "mine"):
        assert json.loads(folder.read(LOCK))["run"] == "mine"
    assert folder.walk() == []


def test_a_lock_whose_process_number_was_given_to_another_is_taken_over(folder: Folder) -> None:
    leave_lock(folder, pid=os.getpid(), started="1")
    with dataset_lock(folder, "mine"):
        pass


def test_a_lock_of_a_killed_writer_is_taken_over(folder: Folder, tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom graph200k.lock import dataset_lock\nfrom graph200k.storage import Folder\n"
        "with dataset_lock(Folder(sys.argv[1]), 'killed'):\n    time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)])
    while not folder.exists(LOCK):
        time.sleep(0.02)
    with pytest.raises(DatasetLockedError, match="run killed"), dataset_lock(folder, "mine"):
        pass
    process.kill()
    process.wait()
    with dataset_lock(folder, "mine"):
        pass


def test_a_writer_killed_while_it_took_a_lock_over_keeps_nobody_out(folder: Folder) -> None:
    leave_lock(folder, pid=os.getpid(), started="1")
    folder.write(TAKEOVER, folder.read(LOCK))
    with dataset_lock(folder, "mine"):
        pass
    assert folder.walk() == []


def test_a_lock_of_another_machine_is_respected(folder: Folder) -> None:
    leave_lock(folder, host="elsewhere")
    with pytest.raises(DatasetLockedError, match="on elsewhere"), dataset_lock(folder, "mine"):
        pass
    assert json.loads(folder.read(LOCK))["run"] == "other"


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b'{"host": 1}', b'{"pid": "x"}'])
def test_a_lock_that_cannot_be_read_is_respected_and_named(folder: Folder, content: bytes) -> None:
    folder.write(LOCK, content)
    with pytest.raises(DatasetLockedError, match=f"remove .*{LOCK}"), dataset_lock(folder, "mine"):
        pass
    assert folder.read(LOCK) == content


def test_a_lock_taken_by_another_in_between_is_left_to_it(folder: Folder) -> None:
    with dataset_lock(folder, "mine"):
        leave_lock(folder, run="thief")
    assert json.loads(folder.read(LOCK))["run"] == "thief"


@pytest.mark.parametrize("stale", [False, True])
def test_of_many_writers_never_two_are_inside(folder: Folder, stale: bool) -> None:
    if stale:
        leave_lock(folder, pid=os.getpid(), started="1")
    inside, most, entered = 0, 0, 0
    guard = threading.Lock()

    def work(number: int) -> None:
        nonlocal inside, most, entered
        for _ in range(20):
            try:
                with dataset_lock(folder, f"run-{number}"):
                    with guard:
                        inside += 1
                        most = max(most, inside)
                        entered += 1
                    time.sleep(0.001)
                    with guard:
                        inside -= 1
            except DatasetLockedError:
                time.sleep(0.001)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert most == 1
    assert entered > 6
    assert folder.walk() == []
