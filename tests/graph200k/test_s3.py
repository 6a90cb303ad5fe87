"""A dataset on S3, against a real server on loopback: written, locked, sealed, read, verified, repaired."""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import fsspec
import numpy as np
import pytest
from fsspec.config import conf
from moto.server import ThreadedMotoServer

from graph200k.commit import index_path, pending_commits, roll_forward, shard_path
from graph200k.dataset import Dataset
from graph200k.errors import DatasetError, DatasetLockedError
from graph200k.index import INDEX_SCHEMA, members_table, read_table, table_members, write_table
from graph200k.lock import LOCK
from graph200k.parts import PARTS, write_part
from graph200k.session import write_session
from graph200k.statistics import statistics
from graph200k.storage import Folder
from graph200k.verify import QUARANTINE, repair, verify
from sampler.config import SamplerConfig
from sampler.streaming import StreamSettings, TaskStream
from support.datasets import annotation_row, edge_map, make_varied_dataset
from support.running import sealed_bytes


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[str]:
    """An S3 server on a free port, named to fsspec as a user would name it: in its configuration."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    before = dict(conf)
    conf["s3"] = {"endpoint_url": f"http://{host}:{port}", "key": "testing", "secret": "testing"}
    fsspec.filesystem("s3").mkdir("bucket")
    yield conf["s3"]["endpoint_url"]
    conf.clear()
    conf.update(before)
    server.stop()


_numbers = itertools.count()


@pytest.fixture
def url() -> str:
    return f"s3://bucket/data-{next(_numbers)}"


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("local") / "data"
    make_varied_dataset(data, 4)
    return data


@pytest.fixture
def sealed(url: str, local: Path) -> str:
    """A dataset on S3, copied there."""
    for name, data in sealed_bytes(local).items():
        Folder(url).write(name, data)
    return url


def stored_bytes(url: str) -> dict[str, bytes]:
    folder = Folder(url)
    return {name: folder.read(name) for name in folder.walk()}


def test_a_dataset_made_on_s3_has_the_bytes_of_one_on_disk_and_nothing_is_left_over(url: str, local: Path) -> None:
    make_varied_dataset(url, 4)
    assert stored_bytes(url) == sealed_bytes(local)
    assert verify(url) == []


def test_a_dataset_on_s3_reads_like_one_on_disk(sealed: str, local: Path) -> None:
    there, here = Dataset(sealed), Dataset(str(local))
    assert list(there.keys) == list(here.keys)
    assert there.availability.tolist() == here.availability.tolist()
    for key in here.keys:
        assert there.record(key) == here.record(key)
        assert np.array_equal(there.image(key, "target"), here.image(key, "target"))
    assert np.array_equal(there.image("scene-0002", "background"), here.image("scene-0002", "background"))
    assert statistics(sealed) == statistics(str(local))


def test_annotations_are_added_and_taken_away(sealed: str, local: Path) -> None:
    with write_session(sealed, shard_size=4) as session:
        write_part(session.folder, session.run, 0, "a", [annotation_row("scene-0000", 0, "hed", edge_map(0))])
        session.seal(0)
    assert Dataset(sealed).node_counts()["hed"] == 1
    with write_session(sealed, shard_size=4) as session:
        session.seal(0, drop=frozenset({"hed"}))
    assert stored_bytes(sealed) == sealed_bytes(local)


def test_of_two_that_create_one_object_one_wins(url: str) -> None:
    folder = Folder(url)
    assert folder.create_exclusively("x", b"first")
    assert not folder.create_exclusively("x", b"second")
    assert not Folder(url).create_exclusively("x", b"third")
    assert folder.read("x") == b"first"


def test_a_second_writer_is_refused_and_the_first_leaves_no_lock(sealed: str) -> None:
    with (
        write_session(sealed, shard_size=4),
        pytest.raises(DatasetLockedError, match=f"remove {sealed}/{LOCK}"),
        write_session(sealed, shard_size=4),
    ):
        pass
    assert not Folder(sealed).exists(LOCK)


def test_a_lock_of_another_machine_is_respected(sealed: str) -> None:
    Folder(sealed).write(LOCK, json.dumps({"run": "other", "host": "elsewhere", "pid": 1}).encode())
    with pytest.raises(DatasetLockedError, match="on elsewhere"), write_session(sealed, shard_size=4):
        pass


def test_a_write_that_fails_leaves_no_half_object_and_the_old_one_as_it_was(url: str) -> None:
    folder = Folder(url)
    folder.write("old", b"old")
    for name in ("old", "new"):
        with pytest.raises(RuntimeError), folder.writer(name) as file:
            file.write(b"half" * 3_000_000)
            raise RuntimeError
    assert stored_bytes(url) == {"old": b"old"}


def test_ranges_names_and_folders_are_those_of_a_disk(url: str) -> None:
    folder = Folder(url)
    folder.write("a/b.bin", bytes(range(32)))
    folder.write("a/c/d.bin", b"")
    assert folder.read_range("a/b.bin", 30, 10) == bytes([30, 31])
    assert folder.names() == ["a"] and folder.names("a") == ["b.bin", "c"]
    assert folder.names("none") == []
    assert folder.is_folder("a/c") and not folder.is_folder("a/b.bin")
    assert folder.walk("a") == ["a/b.bin", "a/c/d.bin"]
    folder.move("a/b.bin", "e")
    folder.remove("a")
    assert stored_bytes(url) == {"e": bytes(range(32))}
    with pytest.raises(DatasetError, match=r"a/b\.bin is missing"):
        folder.read("a/b.bin")
    with pytest.raises(DatasetError, match=r"a/b\.bin is missing"):
        folder.read_range("a/b.bin", 0, 1)
    with pytest.raises(DatasetError, match=r"a/b\.bin is missing"):
        folder.open("a/b.bin").read()


def test_what_another_process_wrote_is_seen(url: str, server: str) -> None:
    folder = Folder(url)
    assert folder.names() == []
    other = fsspec.filesystem("s3", skip_instance_cache=True)
    other.pipe_file(f"{url}/x", b"1")
    assert folder.names() == ["x"]
    other.pipe_file(f"{url}/x", b"22")
    assert (folder.size("x"), folder.read("x")) == (2, b"22")


def test_a_commit_that_was_begun_is_said_and_rolled_forward(sealed: str) -> None:
    folder = Folder(sealed)
    before = stored_bytes(sealed)
    for kind, path in (("tar", shard_path(0)), ("parquet", index_path(0))):
        folder.write(f"{PARTS}/graph200k-000000.{kind}", folder.read(path))
    folder.write(f"{PARTS}/graph200k-000000.commit", b"")
    folder.write(shard_path(0), b"about to be replaced")
    with pytest.raises(DatasetError, match="was being replaced"):
        Dataset(sealed).image("scene-0000", "target")
    assert pending_commits(folder) == ["graph200k-000000"]
    roll_forward(folder)
    assert stored_bytes(sealed) == before


def test_damage_is_named_and_mended(sealed: str) -> None:
    folder = Folder(sealed)
    before = stored_bytes(sealed)
    rows = table_members(read_table(folder, index_path(0), INDEX_SCHEMA))
    lying = [dataclasses.replace(row, offset=7) if row.node == "canny" else row for row in rows]
    write_table(folder, index_path(0), members_table(lying))
    assert "the index says offset 7" in {problem.message.split(" instead")[0] for problem in verify(sealed)}
    assert repair(sealed) != []
    assert stored_bytes(sealed) == before
    tar = bytearray(before[shard_path(0)])
    canny = next(row for row in rows if row.node == "canny")
    tar[canny.offset + 30] ^= 1
    folder.write(shard_path(0), bytes(tar))
    assert [problem.member for problem in repair(sealed)] == ["scene-0000.canny.png"]
    assert verify(sealed) == []
    assert folder.names(QUARANTINE) == ["graph200k-000000.tar"]


@pytest.mark.parametrize("url", ["s3://bucket/nothing", "s3://no-such-bucket/data"])
def test_what_is_no_dataset_is_an_error_that_says_so(url: str) -> None:
    with pytest.raises(DatasetError, match=f"{url} is not a dataset"):
        Dataset(url)


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        ({"endpoint_url": "http://127.0.0.1:9", "key": "x", "secret": "x"}, "Could not connect to the endpoint"),
        ({}, "credentials"),
    ],
    ids=["no server", "no credentials"],
)
def test_what_cannot_be_reached_is_an_error_that_says_what_to_check(
    url: str, monkeypatch: pytest.MonkeyPatch, server: str, settings: dict[str, str], reason: str
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
        monkeypatch.setenv(name, "/nonexistent")
    at_once = {"endpoint_url": server, "config_kwargs": {"retries": {"max_attempts": 0}}}
    monkeypatch.setitem(conf, "s3", at_once | settings)
    with pytest.raises(DatasetError, match=f"{url} cannot be reached .*{reason}.*FSSPEC_S3_ENDPOINT_URL"):
        Dataset(url)
    with pytest.raises(DatasetError, match=f"{url} cannot be reached"), write_session(url, shard_size=4):
        pass


def test_a_dataset_is_copied_to_a_disk_and_read_there(sealed: str, tmp_path: Path) -> None:
    for name, data in stored_bytes(sealed).items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    assert verify(str(tmp_path)) == []


def test_samples_are_streamed_as_from_a_disk_and_resumed(sealed: str, local: Path) -> None:
    settings = StreamSettings(capacity=2)
    config = SamplerConfig(area_px=64**2)
    streams = [TaskStream(place, config, settings=settings) for place in (sealed, str(local))]
    there, here = ([batch for batch in stream.batches(epochs=1)] for stream in streams)
    assert len(here) == len(there) == 4
    resumed = list(streams[0].batches(epochs=1, state=there[1].state))
    for one, other in zip([*there, *resumed], [*here, *here[2:]], strict=True):
        (_, first), (_, second) = *one.loaded, *other.loaded
        assert all(np.array_equal(*rows) for rows in zip(first.rows, second.rows, strict=True))


def test_the_command_line_finds_the_server_by_the_environment(sealed: str, server: str) -> None:
    named = {"FSSPEC_S3_ENDPOINT_URL": server, "AWS_ACCESS_KEY_ID": "testing", "AWS_SECRET_ACCESS_KEY": "testing"}
    command = [sys.executable, "-c", "from graph200k.cli import main; main()", "verify", "--data", sealed]
    done = subprocess.run(command, env=os.environ | named, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (0, "nothing is wrong\n", "")
