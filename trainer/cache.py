"""Bounded caches of tensors by content: rows' latents and prompts' embeddings that come again.

Off by default. Keys are hashes of what was encoded and of the encoder that did it, so a cache on disk outlives runs and
is shared between them; nothing in it is ever wrong, only old.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections import OrderedDict
from pathlib import Path
from typing import Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from trainer.settings import Settings

Tensors = dict[str, torch.Tensor]


class CacheSettings(Settings):
    """Where tensors are kept and how many."""

    max_gb: float = 0.0
    """Most that is kept, in 10⁹ bytes; 0 keeps nothing."""
    folder: Path | None = None
    """Folder on disk, which later runs find again; None keeps in memory, for each process its own."""


class TensorCache(Protocol):
    """Tensors on the CPU by key."""

    def get(self, key: str) -> Tensors | None:
        """Return what was put under ``key``, None if it is not (or no longer) there."""

    def put(self, key: str, tensors: Tensors) -> None:
        """Keep ``tensors``, at the expense of those that were not used for longest."""


def open_cache(settings: CacheSettings, kind: str) -> TensorCache | None:
    """Return the cache of ``kind`` (a folder's name), None where the settings keep nothing."""
    max_bytes = int(settings.max_gb * 1e9)
    if max_bytes == 0:
        return None
    return MemoryCache(max_bytes) if settings.folder is None else DiskCache(settings.folder / kind, max_bytes)


def content_key(*parts: str | bytes) -> str:
    """Return a hash of ``parts``, in hex.

    Examples
    --------
    >>> content_key("ab", "c") == content_key("a", "bc")
    False
    """
    digest = hashlib.sha256()
    for part in parts:
        data = part.encode() if isinstance(part, str) else part
        digest.update(len(data).to_bytes(8, "big") + data)
    return digest.hexdigest()


class MemoryCache:
    """A cache in this process."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, Tensors] = OrderedDict()
        self._bytes = 0

    def get(self, key: str) -> Tensors | None:
        """Return what was put under ``key``, None if it is not there."""
        if key not in self._entries:
            return None
        self._entries.move_to_end(key)
        return self._entries[key]

    def put(self, key: str, tensors: Tensors) -> None:
        """Keep ``tensors``."""
        self._bytes += _size(tensors) - _size(self._entries.pop(key, {}))
        self._entries[key] = tensors
        while self._bytes > self._max_bytes:
            _, oldest = self._entries.popitem(last=False)
            self._bytes -= _size(oldest)


class DiskCache:
    """A cache of one safetensors file an entry, which several processes may share."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._max_bytes = max_bytes
        self._bytes = sum(size for _, size, _ in self._files())

    def get(self, key: str) -> Tensors | None:
        """Return what was put under ``key``, None if it is not there."""
        path = self._path(key)
        try:
            tensors = load_file(path)
            os.utime(path)  # its time of use, by which entries are dropped
        except FileNotFoundError:
            return None
        except SafetensorError:  # a file cut short by a full disk or a crash of the machine
            path.unlink(missing_ok=True)
            return None
        return tensors

    def put(self, key: str, tensors: Tensors) -> None:
        """Keep ``tensors``."""
        with tempfile.NamedTemporaryFile(dir=self._folder, suffix=".part", delete=False) as stream:
            temporary = Path(stream.name)
        try:
            save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, temporary)
            self._bytes += temporary.stat().st_size
            temporary.replace(self._path(key))
        finally:
            temporary.unlink(missing_ok=True)
        if self._bytes > self._max_bytes:
            self._drop_oldest()

    def _path(self, key: str) -> Path:
        return self._folder / f"{key}.safetensors"

    def _files(self) -> list[tuple[float, int, Path]]:
        """Return (time of use, size, path) of all entries, the least recently used first."""
        found = []
        for path in self._folder.glob("*.safetensors"):
            try:
                status = path.stat()
            except FileNotFoundError:  # another process dropped it
                continue
            found.append((status.st_mtime, status.st_size, path))
        return sorted(found)

    def _drop_oldest(self) -> None:
        # Others write here too: what is there is counted anew. A tenth more goes, so that not every entry needs this.
        files = self._files()
        self._bytes = sum(size for _, size, _ in files)
        for _, size, path in files:
            if self._bytes <= 0.9 * self._max_bytes:
                break
            path.unlink(missing_ok=True)
            self._bytes -= size


def _size(tensors: Tensors) -> int:
    return sum(tensor.nbytes for tensor in tensors.values())
