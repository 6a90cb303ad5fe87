"""Shards are plain tars, the same bytes for the same members; reading a foreign one trusts nothing."""

from __future__ import annotations

import gzip
import io
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest
import webdataset
from hypothesis import given, settings
from hypothesis import strategies as st

from graph200k.catalogue import GRAPH200K
from graph200k.codecs import DEFAULT_LIMITS
from graph200k.errors import UnsafeInputError
from graph200k.record import MAX_KEY_LENGTH, member_name
from graph200k.shards import ShardWriter, TarEntry, scan_tar, shard_name, shard_number

names = st.text(st.sampled_from("abcXYZ019_-"), min_size=1, max_size=80).map(lambda stem: f"{stem}.canny.png")
members = st.dictionaries(names, st.binary(max_size=2000), max_size=8)


def shard_of(content: dict[str, bytes]) -> tuple[bytes, list[int]]:
    buffer = io.BytesIO()
    with ShardWriter(buffer) as shard:
        offsets = [shard.add(name, data) for name, data in content.items()]
    return buffer.getvalue(), offsets


def tar_of(*infos: tarfile.TarInfo, format: int = tarfile.GNU_FORMAT) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w", format=format) as tar:
        for info in infos:
            tar.addfile(info, io.BytesIO(bytes(info.size)))
    return buffer.getvalue()


def info_of(name: str, *, size: int = 10, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = size, kind, link
    return info


def scan(data: bytes, **options: int) -> tuple[list[str], list[str]]:
    """Return names accepted and reasons given."""
    found = list(scan_tar(io.BytesIO(data), **options))
    names = [entry.name for entry in found if isinstance(entry, TarEntry)]
    return names, [str(entry) for entry in found if isinstance(entry, UnsafeInputError)]


@given(members)
def test_content_lies_where_the_writer_says(content: dict[str, bytes]) -> None:
    data, offsets = shard_of(content)
    assert [data[start : start + len(member)] for start, member in zip(offsets, content.values(), strict=True)] == list(
        content.values()
    )


@given(members)
def test_a_scan_finds_what_was_written_in_order(content: dict[str, bytes]) -> None:
    data, offsets = shard_of(content)
    expected = [TarEntry(name, at, len(content[name])) for name, at in zip(content, offsets, strict=True)]
    assert list(scan_tar(io.BytesIO(data))) == expected


@given(members)
def test_same_members_give_the_same_bytes_and_python_reads_them(content: dict[str, bytes]) -> None:
    data, _ = shard_of(content)
    assert shard_of(dict(content))[0] == data
    with tarfile.open(fileobj=io.BytesIO(data)) as tar:
        assert {info.name: tar.extractfile(info).read() for info in tar} == content  # type: ignore[union-attr]
        assert {(info.mtime, info.uid, info.gid, info.uname, info.mode) for info in tar} <= {(0, 0, 0, "", 0o644)}


def test_tar_itself_reads_a_shard(tmp_path: Path) -> None:
    content = {f"{'k' * MAX_KEY_LENGTH}.instant_style.999.reference.jpg": b"style", "a.json": b"{}"}
    (tmp_path / "shard.tar").write_bytes(shard_of(content)[0])
    listed = subprocess.run(["tar", "-tf", "shard.tar"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert listed.stdout.split() == list(content)
    assert listed.stderr == ""
    one = subprocess.run(["tar", "-xOf", "shard.tar", "a.json"], cwd=tmp_path, capture_output=True, check=True)
    assert one.stdout == b"{}"


def test_webdataset_groups_the_members_of_a_key(tmp_path: Path) -> None:
    content = {"a.canny.png": b"1", "a.fill_edit.2.jpg": b"2", "a.json": b"{}", "b.json": b"[]"}
    (tmp_path / "shard.tar").write_bytes(shard_of(content)[0])
    samples = list(webdataset.WebDataset(str(tmp_path / "shard.tar"), shardshuffle=False))
    assert [sample["__key__"] for sample in samples] == ["a", "b"]
    assert samples[0]["canny.png"] == b"1"
    assert samples[0]["fill_edit.2.jpg"] == b"2"


def test_every_longest_member_name_can_be_written() -> None:
    with ShardWriter(io.BytesIO()) as shard:
        for entry in GRAPH200K.values():
            for role in entry.roles:
                name = member_name("k" * MAX_KEY_LENGTH, entry.name, 999 if entry.has_variants else None, role)
                shard.add(name, b"")


@pytest.mark.parametrize("number", [0, 7, 999_999, 1_000_000])
def test_a_shards_name_gives_its_number(number: int) -> None:
    assert shard_number(shard_name(number)) == shard_number(f"{shard_name(number)}.tar") == number


@pytest.mark.parametrize("name", ["/etc/passwd", "../up.jpg", "a/../../b.jpg", "a/.."])
def test_names_that_lead_elsewhere_are_refused(name: str) -> None:
    names, reasons = scan(tar_of(info_of("good.jpg"), info_of(name), info_of("also.jpg")))
    assert names == ["good.jpg", "also.jpg"]
    assert len(reasons) == 1 and "absolute names and '..' are refused" in reasons[0]


@pytest.mark.parametrize("name", ["..a.jpg", "a..jpg", "a/b.jpg", "./a.jpg", "ü.jpg", "x" * 300 + ".jpg", "a b.jpg"])
def test_odd_names_that_stay_inside_are_accepted(name: str) -> None:
    assert scan(tar_of(info_of(name))) == ([name], [])


@pytest.mark.parametrize(
    ("kind", "link"),
    [(tarfile.SYMTYPE, "/etc/passwd"), (tarfile.LNKTYPE, "good.jpg"), (tarfile.CHRTYPE, ""), (tarfile.BLKTYPE, ""),
     (tarfile.FIFOTYPE, "")],
    ids=["symlink", "hard link", "character device", "block device", "fifo"],
)  # fmt: skip
def test_links_and_devices_are_refused(kind: bytes, link: str) -> None:
    names, reasons = scan(tar_of(info_of("good.jpg"), info_of("bad.jpg", kind=kind, link=link, size=0)))
    assert names == ["good.jpg"]
    assert len(reasons) == 1 and "'bad.jpg': links, devices" in reasons[0]


@pytest.mark.parametrize("format", ["gnu", "posix"])
def test_a_sparse_file_is_refused(tmp_path: Path, format: str) -> None:
    with open(tmp_path / "holes.jpg", "wb") as file:
        file.seek(1 << 20)
        file.write(b"end")
    subprocess.run(["tar", "-S", f"--format={format}", "-cf", "x.tar", "holes.jpg"], cwd=tmp_path, check=True)
    names, reasons = scan((tmp_path / "x.tar").read_bytes())
    assert names == []
    assert len(reasons) == 1 and "sparse" in reasons[0]


def test_folders_are_passed_over() -> None:
    assert scan(tar_of(info_of("a", kind=tarfile.DIRTYPE, size=0), info_of("a/b.jpg"))) == (["a/b.jpg"], [])


def test_a_member_beyond_the_limit_is_refused_unread() -> None:
    huge = info_of("huge.jpg", size=DEFAULT_LIMITS.max_bytes + 1).tobuf(tarfile.GNU_FORMAT)
    names, reasons = scan(tar_of(info_of("good.jpg"))[:1024] + huge)
    assert names == ["good.jpg"]
    assert "the limit is 268,435,456" in reasons[0]


def test_more_members_than_allowed_end_the_scan() -> None:
    names, reasons = scan(tar_of(*(info_of(f"{number}.jpg") for number in range(5))), max_members=3)
    assert names == ["0.jpg", "1.jpg", "2.jpg"]
    assert reasons == ["more than 3 members"]


def test_a_negative_size_ends_the_scan() -> None:
    header = bytearray(info_of("bad.jpg").tobuf(tarfile.GNU_FORMAT))
    header[124:136] = b"\xff" * 11 + b"\x00"
    header[148:156] = b"%06o\0 " % (sum(header[:148]) + 8 * 32 + sum(header[156:512]))
    names, reasons = scan(tar_of(info_of("good.jpg"))[:1024] + bytes(header) + bytes(1024))
    assert names == ["good.jpg"]
    assert len(reasons) == 1


CONTENT = {f"{number}.json": bytes([number]) * 700 for number in range(4)}


@given(st.integers(0, 4 * 1536 - 1))
def test_a_truncated_tar_gives_what_is_whole_and_one_reason_unless_cut_between_members(length: int) -> None:
    data, offsets = shard_of(CONTENT)
    names, reasons = scan(data[:length])
    assert names == [name for name, at in zip(CONTENT, offsets, strict=True) if at + 700 <= length]
    cut_between = length % 1536 == 0 and length > 0
    assert len(reasons) == (0 if cut_between else 1)


@given(st.integers(0, 3 * 1536), st.integers(1, 255))
def test_a_byte_flipped_in_a_header_is_never_passed_over_in_silence(position: int, flip: int) -> None:
    data = bytearray(shard_of(CONTENT)[0])
    if 148 <= position % 512 < 156:  # the checksum itself, whose digits can be written in several ways
        return
    data[position // 1536 * 1536 + position % 512] ^= flip
    entries = list(scan_tar(io.BytesIO(bytes(data))))
    assert entries != list(scan_tar(io.BytesIO(shard_of(CONTENT)[0])))
    assert any(isinstance(entry, UnsafeInputError) for entry in entries)


@pytest.mark.parametrize(
    "change",
    [lambda data: data[:1536] + b"x" * 512 + data[1536:], lambda data: data + b"x", lambda data: data + data],
    ids=["a block of garbage between", "a byte after the end", "a second tar after the end"],
)
def test_what_tar_would_pass_over_is_reported(change: Callable[[bytes], bytes]) -> None:
    names, reasons = scan(change(shard_of(CONTENT)[0]))
    assert reasons == [f"damaged tar after {len(names)} members: what follows is not read"]
    assert names == list(CONTENT)[: len(names)]


@given(st.binary(max_size=3000))
@settings(max_examples=200)
def test_any_bytes_end_in_a_reason(data: bytes) -> None:
    _, reasons = scan(data)
    assert len(reasons) >= 1 or not data.strip(b"\0")
    assert all("\n" not in reason for reason in reasons)


def test_an_empty_shard_is_whole() -> None:
    assert scan(shard_of({})[0]) == ([], [])


def test_a_file_of_no_bytes_is_no_tar() -> None:
    assert scan(b"")[1] == ["damaged tar after 0 members: empty file"]


def test_a_compressed_tar_is_refused() -> None:
    assert scan(gzip.compress(shard_of(CONTENT)[0]))[1][0].startswith("damaged tar after 0 members")
