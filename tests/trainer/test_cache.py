from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

from trainer.cache import CacheSettings, DiskCache, MemoryCache, TensorCache, open_cache

KB = 1000


def tensors(value: float, size: int = 250) -> dict[str, torch.Tensor]:
    return {"a": torch.full((size,), value)}  # 1 kB


@pytest.fixture(params=["memory", "disk"])
def cache(request: pytest.FixtureRequest, tmp_path: Path) -> TensorCache:
    return MemoryCache(10 * KB) if request.param == "memory" else DiskCache(tmp_path, 10 * KB)


def test_what_was_put_comes_back(cache: TensorCache) -> None:
    assert cache.get("k") is None
    cache.put("k", {"a": torch.arange(3), "b": torch.ones(2, 2, dtype=torch.bfloat16)})
    found = cache.get("k")
    assert found["a"].tolist() == [0, 1, 2]
    assert found["b"].dtype == torch.bfloat16


def test_a_later_put_takes_the_place_of_an_earlier(cache: TensorCache) -> None:
    cache.put("k", tensors(1.0))
    cache.put("k", tensors(2.0))
    assert cache.get("k")["a"][0] == 2.0


def test_what_was_not_used_for_longest_goes_first_from_memory() -> None:
    cache = MemoryCache(2 * KB)
    cache.put("first", tensors(1.0))
    cache.put("second", tensors(2.0))
    cache.get("first")
    cache.put("third", tensors(3.0))
    assert [key for key in ("first", "second", "third") if cache.get(key)] == ["first", "third"]


def test_what_was_not_used_for_longest_goes_first_from_disk(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 3 * KB + 500)
    for number, key in enumerate(("first", "second", "third")):
        cache.put(key, tensors(float(number)))
        os.utime(tmp_path / f"{key}.safetensors", (number, number))
    cache.get("first")
    cache.put("fourth", tensors(4.0))
    assert sorted(path.stem for path in tmp_path.iterdir()) == ["first", "fourth"]


def test_a_cache_on_disk_is_found_again_with_its_size(tmp_path: Path) -> None:
    DiskCache(tmp_path, 10 * KB).put("k", tensors(1.0, 2000))
    again = DiskCache(tmp_path, 10 * KB)
    assert again.get("k")["a"][0] == 1.0
    again.put("l", tensors(2.0, 2000))  # together they are too much
    assert [path.stem for path in tmp_path.iterdir()] == ["l"]


def test_a_damaged_entry_counts_as_missing_and_goes(tmp_path: Path) -> None:
    cache = DiskCache(tmp_path, 10 * KB)
    cache.put("k", tensors(1.0))
    (tmp_path / "k.safetensors").write_bytes(b"cut short")
    assert cache.get("k") is None
    assert list(tmp_path.iterdir()) == []


def test_entries_larger_than_the_cache_are_not_kept() -> None:
    cache = MemoryCache(KB // 2)
    cache.put("k", tensors(1.0))
    assert cache.get("k") is None


def test_nothing_is_kept_by_default_and_each_kind_has_a_folder(tmp_path: Path) -> None:
    assert open_cache(CacheSettings(), "rows") is None
    assert isinstance(open_cache(CacheSettings(max_gb=1), "rows"), MemoryCache)
    open_cache(CacheSettings(max_gb=1, folder=tmp_path), "rows").put("k", tensors(1.0))
    assert (tmp_path / "rows" / "k.safetensors").is_file()
