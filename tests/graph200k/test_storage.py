"""Files appear whole or not at all, on any file system, and a refusal to write says what to do."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
import threading
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph200k.errors import DatasetError, OutputError
from graph200k.storage import TEMPORARY, Folder


@pytest.fixture(params=["local", "memory"])
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Folder:
    return Folder(str(tmp_path / "data") if request.param == "local" else f"memory://{uuid.uuid4().hex}")


def test_what_is_written_is_read(folder: Folder) -> None:
    folder.write("a/b.bin", b"0123456789")
    assert folder.read("a/b.bin") == b"0123456789"
    assert folder.size("a/b.bin") == 10
    assert folder.exists("a/b.bin") and folder.exists("a") and not folder.exists("a/c")
    assert folder.is_folder("a") and not folder.is_folder("a/b.bin")
    with folder.open("a/b.bin") as file:
        file.seek(4)
        assert file.read(2) == b"45"


@given(offset=st.integers(0, 40), size=st.integers(0, 40))
def test_a_range_is_what_a_slice_would_give(offset: int, size: int) -> None:
    data = bytes(range(32))
    folder = Folder("memory://ranges")
    folder.write("file", data)
    assert folder.read_range("file", offset, size) == data[offset : offset + size]


def test_a_range_of_a_local_file_is_what_a_slice_would_give(tmp_path: Path) -> None:
    data = bytes(range(32))
    (tmp_path / "file").write_bytes(data)
    folder = Folder(str(tmp_path))
    assert [folder.read_range("file", start, 5) for start in (0, 9, 30, 40)] == [
        data[start : start + 5] for start in (0, 9, 30, 40)
    ]


def test_nothing_appears_under_the_name_before_the_end(folder: Folder) -> None:
    with folder.writer("file") as file:
        file.write(b"half")
        file.flush()
        assert not folder.exists("file")
        assert folder.names() == []
    assert folder.read("file") == b"half"


def test_an_error_leaves_neither_the_file_nor_a_temporary_one(folder: Folder) -> None:
    with pytest.raises(RuntimeError), folder.writer("new") as file:
        file.write(b"half")
        raise RuntimeError
    assert folder.walk() == []


def test_an_error_leaves_the_old_file_as_it_was(folder: Folder) -> None:
    folder.write("file", b"old")
    with pytest.raises(RuntimeError), folder.writer("file") as file:
        file.write(b"new")
        raise RuntimeError
    assert folder.read("file") == b"old"
    assert folder.walk() == ["file"]


def test_names_are_sorted_and_leave_out_what_is_being_written(tmp_path: Path) -> None:
    folder = Folder(str(tmp_path))
    for name in ("b", "a", f"c{TEMPORARY}123", "sub/x"):
        folder.write(name, b"")
    assert folder.names() == ["a", "b", "sub"]
    assert folder.names("missing") == []
    assert folder.walk() == ["a", "b", f"c{TEMPORARY}123", "sub/x"]
    assert folder.walk("sub") == ["sub/x"]


def test_what_is_missing_is_an_error_with_its_path(folder: Folder) -> None:
    for read in (folder.read, folder.open, lambda name: folder.read_range(name, 0, 1)):
        with pytest.raises(DatasetError, match="no/such is missing"):
            read("no/such")


def test_move_replaces_and_remove_takes_files_and_folders(folder: Folder) -> None:
    folder.write("a/x", b"1")
    folder.write("b", b"2")
    folder.move("a/x", "b")
    assert folder.read("b") == b"1"
    assert not folder.exists("a/x")
    folder.write("c/d/e", b"3")
    folder.remove("c")
    folder.remove("c")
    assert folder.walk() == ["b"]


def test_of_many_that_create_one_file_exactly_one_wins(folder: Folder) -> None:
    folder.make()
    start = threading.Barrier(16)
    won: list[int] = []

    def create(number: int) -> None:
        start.wait()
        if folder.create_exclusively("lock", str(number).encode()):
            won.append(number)

    threads = [threading.Thread(target=create, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(won) == 1
    assert folder.read("lock") == str(won[0]).encode()
    assert folder.walk() == ["lock"]


def test_a_folder_travels_to_another_process(tmp_path: Path) -> None:
    Folder(str(tmp_path)).write("x", b"1")
    assert pickle.loads(pickle.dumps(Folder(str(tmp_path)))).read("x") == b"1"


@pytest.mark.parametrize("url", ["nosuch://bucket/data", "nosuch+more://x"])
def test_an_unknown_kind_of_url_is_an_error_that_says_so(url: str) -> None:
    with pytest.raises(DatasetError, match=r"cannot be opened: .*nosuch.*; name a local path"):
        Folder(url)


def test_a_part_of_the_path_that_is_a_file_is_an_output_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    folder = Folder(str(tmp_path / "file"))
    with pytest.raises(OutputError, match="a part of the path is a file"):
        folder.write("x/y", b"")
    with pytest.raises(OutputError, match="a part of the path is a file"):
        folder.make("x")
    with pytest.raises(OutputError, match="a file of that name is in the way"):
        folder.make()
    (tmp_path / "folder").mkdir()
    with pytest.raises(OutputError, match="a folder of that name is in the way"):
        Folder(str(tmp_path)).write("folder", b"")


WRITE_BIG = """
import resource, signal, sys
from graph200k.errors import OutputError
from graph200k.storage import Folder
folder = Folder(sys.argv[1])
folder.write("kept", b"old")
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (1 << 16, 1 << 16))
for write in (lambda: folder.write("kept", bytes(1 << 20)), lambda: folder.create_exclusively("l", bytes(1 << 20))):
    try:
        write()
    except OutputError as error:
        print(error)
"""


def test_a_limit_on_file_sizes_is_an_output_error_and_leaves_the_old_file(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", WRITE_BIG, str(tmp_path)], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.count("file too large") == 2
    assert Folder(str(tmp_path)).walk() == ["kept"]
    assert (tmp_path / "kept").read_bytes() == b"old"


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 64 KiB."""
    where = tmp_path / "disk"
    where.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(where)], capture_output=True).returncode:
        pytest.skip("only root can mount a small disk")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def test_a_full_disk_is_an_output_error_and_leaves_the_old_file(small_disk: Path) -> None:
    folder = Folder(str(small_disk))
    folder.write("kept", b"old")
    with pytest.raises(OutputError, match=r"cannot write .*kept: no space left; make room"):
        folder.write("kept", bytes(1 << 20))
    assert folder.walk() == ["kept"]
    assert folder.read("kept") == b"old"


def test_a_read_only_disk_is_an_output_error(small_disk: Path) -> None:
    folder = Folder(str(small_disk))
    folder.write("kept", b"old")
    subprocess.run(["mount", "-o", "remount,ro", str(small_disk)], check=True)
    for write in (
        lambda: folder.write("x", b""),
        lambda: folder.create_exclusively("x", b""),
        lambda: folder.make("sub"),
        lambda: folder.move("kept", "x"),
        lambda: folder.remove("kept"),
    ):
        with pytest.raises(OutputError, match="the file system is read-only"):
            write()
    assert folder.read("kept") == b"old"


@pytest.mark.skipif(os.getuid() == 0, reason="root may write anywhere")
def test_a_folder_that_is_not_ours_is_an_output_error(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(OutputError, match="permission denied"):
        Folder(str(tmp_path)).write("x", b"")
