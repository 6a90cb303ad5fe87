"""Folders on any file system (local, s3://, gs://, hf://, memory://): the only module that opens fsspec.

A file appears whole or not at all: locally it is written under a temporary name and renamed; an object store makes an
object visible only when its upload completes.
"""

from __future__ import annotations

import errno
import os
import posixpath
import sys
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import IO

import fsspec
from fsspec.implementations.local import LocalFileSystem

from graph200k.errors import DatasetError, OutputError

TEMPORARY = ".tmp-"
"""Part of the name of a file that is still being written."""

_UNWRITABLE = {
    errno.ENOSPC: "no space left",
    errno.EDQUOT: "disk quota exceeded",
    errno.EROFS: "the file system is read-only",
    errno.EACCES: "permission denied",
    errno.EPERM: "operation not permitted",
    errno.ENOTDIR: "a part of the path is a file, not a folder",
    errno.EEXIST: "a file of that name is in the way",
    errno.EISDIR: "a folder of that name is in the way",
    errno.EFBIG: "file too large for this file system or user",
}


@contextmanager
def writing(where: str) -> Iterator[None]:
    """Turn the operating system's refusals to write into an :class:`OutputError` that names ``where``."""
    try:
        yield
    except OSError as error:
        reason = _UNWRITABLE.get(error.errno or 0)
        if reason is None:
            raise
        raise OutputError(
            f"cannot write {where}: {reason}; make room or choose another folder, then run again: "
            "what is finished is kept"
        ) from error


@contextmanager
def _reaching(url: str) -> Iterator[None]:
    # The clients of object stores have error classes of their own; they are loaded if anything can raise them.
    modules = [sys.modules.get(name) for name in ("botocore.exceptions", "aiohttp")]
    names = ("BotoCoreError", "ClientError")
    clients = [getattr(module, name) for module in modules for name in names if hasattr(module, name)]
    try:
        yield
    except (PermissionError, ConnectionError, TimeoutError, *clients) as error:
        if "://" not in url:
            raise
        raise DatasetError(
            f"{url} cannot be reached ({' '.join(str(error).split())[:200]}); check its address, your credentials and "
            "the endpoint (for S3: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY, FSSPEC_S3_ENDPOINT_URL)"
        ) from None


class Folder:
    """A folder by URL; paths given to its methods are relative to it, with forward slashes.

    Examples
    --------
    >>> folder = Folder("memory://example")
    >>> folder.write("a/b.txt", b"hello")
    >>> folder.read("a/b.txt"), folder.read_range("a/b.txt", 1, 3), folder.names("a")
    (b'hello', b'ell', ['b.txt'])
    """

    def __init__(self, url: str) -> None:
        self.url = str(url).rstrip("/") or "/"
        try:
            self._fs, self._root = fsspec.core.url_to_fs(self.url)
        except (ImportError, ValueError) as error:
            raise DatasetError(
                f"{self.url} cannot be opened: {' '.join(str(error).split())}; name a local path, or install what that "
                "kind of URL needs (for s3://: pip install 'graph200k[s3]')"
            ) from None
        self.is_local = isinstance(self._fs, LocalFileSystem)

    def __reduce__(self) -> tuple[type[Folder], tuple[str]]:
        return Folder, (self.url,)

    def path(self, name: str = "") -> str:
        """Return the full path of ``name`` on its file system."""
        return posixpath.join(self._root, name) if name else str(self._root)

    def shown(self, name: str = "") -> str:
        """Return the full URL of ``name``, for messages."""
        return f"{self.url}/{name}" if name else self.url

    def exists(self, name: str = "") -> bool:
        """Return whether a file or folder of this name exists now (nothing is cached).

        Raises
        ------
        DatasetError
            If a remote file system does not answer, or does not let us in.
        """
        self._forget()
        with _reaching(self.url):
            return bool(self._fs.exists(self.path(name)))

    def is_folder(self, name: str = "") -> bool:
        """Return whether ``name`` is a folder."""
        self._forget()
        return bool(self._fs.isdir(self.path(name)))

    def is_file(self, name: str = "") -> bool:
        """Return whether ``name`` is a regular file, or a link to one."""
        self._forget()
        return bool(self._fs.isfile(self.path(name)))

    def size(self, name: str) -> int:
        """Return the size of a file in bytes."""
        self._forget()
        return int(self._fs.size(self.path(name)))

    def names(self, name: str = "") -> list[str]:
        """Return the sorted names in a folder, [] if it does not exist; files still being written are left out."""
        self._forget()
        path = self.path(name)
        if not self._fs.exists(path):
            return []
        found = (posixpath.basename(entry.rstrip("/")) for entry in self._fs.ls(path, detail=False))
        own = posixpath.basename(path.rstrip("/"))
        return sorted(entry for entry in found if TEMPORARY not in entry and entry and entry != own)

    def walk(self, name: str = "") -> list[str]:
        """Return the sorted relative paths of all files below a folder, those still being written included."""
        self._forget()
        root = self.path(name)
        prefix = self.path().rstrip("/") + "/"
        return sorted(path.removeprefix(prefix) for path in self._fs.find(root))

    def read(self, name: str) -> bytes:
        """Return the bytes of a file.

        Raises
        ------
        DatasetError
            If there is no such file.
        """
        try:
            return bytes(self._fs.cat_file(self.path(name)))
        except FileNotFoundError:
            raise DatasetError(f"{self.shown(name)} is missing; see `graph200k verify`") from None

    def read_range(self, name: str, offset: int, size: int) -> bytes:
        """Return ``size`` bytes from ``offset``; fewer if the file ends before."""
        try:
            if self.is_local:  # fsspec's own path costs 60 µs here, of which 50 are not the read
                with open(self.path(name), "rb", buffering=0) as file:
                    return os.pread(file.fileno(), size, offset)
            return bytes(self._fs.cat_file(self.path(name), start=offset, end=offset + size))
        except FileNotFoundError:
            raise DatasetError(f"{self.shown(name)} is missing; see `graph200k verify`") from None

    def open(self, name: str) -> IO[bytes]:
        """Return a file open for reading, seekable where the file system can."""
        self._forget()
        try:
            file: IO[bytes] = self._fs.open(self.path(name), "rb")
            return file
        except FileNotFoundError:
            raise DatasetError(f"{self.shown(name)} is missing; see `graph200k verify`") from None

    def write(self, name: str, data: bytes) -> None:
        """Write a file at once."""
        with self.writer(name) as file:
            file.write(data)

    @contextmanager
    def writer(self, name: str) -> Iterator[IO[bytes]]:
        """Open a file for writing that appears under its name only when the block ends without an error.

        Raises
        ------
        OutputError
            If the disk is full, read-only, or not ours to write.
        """
        path = self.path(name)
        with writing(self.shown(name)):
            self._fs.makedirs(posixpath.dirname(path), exist_ok=True)
            if not self.is_local:
                # A file of fsspec's own uploads what it has when an error closes it; this one is sent when it is whole.
                with tempfile.NamedTemporaryFile() as file:
                    yield file
                    file.flush()
                    self._fs.put_file(file.name, path)
                return
            temporary = f"{path}{TEMPORARY}{uuid.uuid4().hex[:8]}"
            try:
                with open(temporary, "wb") as file:
                    yield file
                os.replace(temporary, path)
            finally:
                if os.path.exists(temporary):
                    os.unlink(temporary)

    def create_exclusively(self, name: str, data: bytes) -> bool:
        """Write a file only if it does not exist; return whether it was written.

        The check and the write are one operation (``O_EXCL`` locally, a conditional put on S3).
        """
        path = self.path(name)
        with writing(self.shown(name)):
            self._fs.makedirs(posixpath.dirname(path), exist_ok=True)
            try:
                if self.is_local:
                    return _link_exclusively(path, data)
                self._fs.pipe_file(path, data, mode="create")
                return True
            except FileExistsError:
                return False

    def move(self, source: str, target: str) -> None:
        """Move a file over whatever is at ``target`` (a rename locally, copy and delete on an object store)."""
        with writing(self.shown(target)):
            self._fs.makedirs(posixpath.dirname(self.path(target)), exist_ok=True)
            if self.is_local:
                os.replace(self.path(source), self.path(target))
                return
            self._fs.copy(self.path(source), self.path(target))
            self._fs.rm_file(self.path(source))

    def make(self, name: str = "") -> None:
        """Make a folder where the file system has folders."""
        with writing(self.shown(name)), _reaching(self.url):
            self._fs.makedirs(self.path(name), exist_ok=True)

    def remove(self, name: str) -> None:
        """Remove a file or a whole folder if it is there."""
        with writing(self.shown(name)):
            self._forget()
            # Asking first spares object stores an error; somebody else may remove it in between.
            with suppress(FileNotFoundError):
                if self._fs.exists(self.path(name)):
                    self._fs.rm(self.path(name), recursive=True)

    def _forget(self) -> None:
        # Object stores keep listings for the life of the process; other processes write here too.
        self._fs.invalidate_cache()


def _link_exclusively(path: str, data: bytes) -> bool:
    """Create ``path`` with its content in one step: a reader never meets an empty lock."""
    temporary = f"{path}{TEMPORARY}{uuid.uuid4().hex[:8]}"
    try:
        with open(temporary, "wb") as file:
            file.write(data)
        os.link(temporary, path)
        return True
    except FileNotFoundError:
        return False  # the holder of the lock swept our temporary file away
    finally:
        if os.path.exists(temporary):
            os.unlink(temporary)
