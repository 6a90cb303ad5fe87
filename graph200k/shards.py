"""Tar shards: deterministic writing, and reading that trusts nothing.

A shard is a plain WebDataset tar in the USTAR format. All metadata is fixed (mode 0644, owner 0, time 0), so that equal
members give equal bytes.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from graph200k.codecs import DEFAULT_LIMITS
from graph200k.errors import UnsafeInputError

HEADER_SIZE = 512
MAX_MEMBERS = 5_000_000
"""Members read from one foreign tar before it is refused."""


class ShardWriter:
    """Write members to a shard, in the order given.

    Examples
    --------
    >>> buffer = io.BytesIO()
    >>> with ShardWriter(buffer) as shard:
    ...     shard.add("a.json", b"{}"), shard.add("b.json", b"[]")
    (512, 1536)
    >>> buffer.getvalue()[1536:1538]
    b'[]'
    """

    def __init__(self, file: IO[bytes]) -> None:
        self._tar = tarfile.open(fileobj=file, mode="w|", format=tarfile.USTAR_FORMAT)

    def __enter__(self) -> ShardWriter:
        return self

    def __exit__(self, *_: object) -> None:
        self._tar.close()

    def add(self, name: str, data: bytes) -> int:
        """Append a member and return the offset of its content."""
        info = tarfile.TarInfo(name)
        info.size = len(data)
        info.mode = 0o644
        offset = self._tar.offset + HEADER_SIZE
        self._tar.addfile(info, io.BytesIO(data))
        return offset


def shard_name(number: int) -> str:
    """Return the name of shard ``number`` without extension.

    Examples
    --------
    >>> shard_name(7)
    'graph200k-000007'
    """
    return f"graph200k-{number:06d}"


def shard_number(name: str) -> int:
    """Return the number in a shard's name."""
    return int(name.rsplit("-", 1)[1].split(".", 1)[0])


@dataclass(frozen=True, slots=True)
class TarEntry:
    """One regular file of a tar, by position."""

    name: str
    offset: int
    size: int


def scan_tar(file: IO[bytes], *, max_members: int = MAX_MEMBERS) -> Iterator[TarEntry | UnsafeInputError]:
    """Yield the regular files of a tar in order; for what is refused, yield the reason instead.

    A member is refused for an absolute name, ``..``, a link or a device, or a size beyond the limit. A truncated or
    garbled tar yields one error at the place where it stops making sense, and ends.
    """
    count = 0
    try:
        with tarfile.open(fileobj=file, mode="r:") as tar:
            end = _length(file)
            for info in tar:
                tar.members = []  # type: ignore[attr-defined]  # tarfile keeps every member otherwise: 1 kB each
                count += 1
                if count > max_members:
                    yield UnsafeInputError(f"more than {max_members:,} members")
                    return
                if info.size < 0:  # tarfile would step back and read the same header for ever
                    yield UnsafeInputError(f"damaged tar after {count - 1} members: a member of negative size")
                    return
                is_cut_off = info.offset_data + info.size > end
                if is_cut_off or not info.isdir():
                    yield _entry(info, end)
                if is_cut_off:
                    return
            # tarfile takes a garbled header, and anything after the first blank block, for the end.
            if not _is_blank(file, tar.offset):
                yield UnsafeInputError(f"damaged tar after {count} members: what follows is not read")
    except (tarfile.TarError, OSError, EOFError, ValueError, OverflowError, RecursionError) as error:
        yield UnsafeInputError(f"damaged tar after {count} members: {' '.join(str(error).split())[:160]}")


def _length(file: IO[bytes]) -> int:
    position = file.tell()
    end = file.seek(0, io.SEEK_END)
    file.seek(position)
    return end


def _is_blank(file: IO[bytes], offset: int) -> bool:
    file.seek(offset)
    return not any(chunk.strip(b"\0") for chunk in iter(lambda: file.read(1 << 20), b""))


def _entry(info: tarfile.TarInfo, end: int) -> TarEntry | UnsafeInputError:
    name = info.name.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    if name.startswith("/") or ".." in name.split("/"):
        return UnsafeInputError(f"{name!r}: absolute names and '..' are refused")
    if not info.isreg() or info.issparse():
        return UnsafeInputError(f"{name!r}: links, devices, sparse files and other special members are refused")
    if info.size > DEFAULT_LIMITS.max_bytes:
        return UnsafeInputError(f"{name!r}: {info.size:,} bytes; the limit is {DEFAULT_LIMITS.max_bytes:,}")
    if info.offset_data + info.size > end:
        return UnsafeInputError(f"{name!r}: the tar ends in the middle of it")
    return TarEntry(name, info.offset_data, info.size)
