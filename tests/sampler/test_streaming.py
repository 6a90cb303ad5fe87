"""Streamed samples: every record once an epoch, resumable anywhere, and what damage does."""

import functools
import itertools
import json
import re
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import numpy as np
import pytest

from graph200k.commit import shard_path
from graph200k.dataset import Dataset
from graph200k.errors import DatasetError, PlanError
from graph200k.schema import find_task
from sampler.config import SamplerConfig
from sampler.samples import Sample
from sampler.streaming import StreamBatch, StreamSettings, TaskStream
from support.datasets import make_dataset, make_varied_dataset
from support.full_datasets import make_full_dataset

RECORDS = 14
CONFIG = SamplerConfig(seed=5, area_px=64**2)
TASKS = ("canny,target", "target,hed", "reference,canny,target", "target,redux_style")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    """14 records in 5 shards, of three aspect ratios."""
    path = tmp_path_factory.mktemp("streamed")
    make_full_dataset(path, RECORDS, shard_size=3)
    return str(path)


@pytest.fixture
def copied(data: str, tmp_path: Path) -> Path:
    shutil.copytree(data, tmp_path / "data")
    return tmp_path / "data"


def make_stream(data: str | Path, config: SamplerConfig = CONFIG, **settings: int) -> TaskStream:
    return TaskStream(str(data), config, settings=StreamSettings(**{"capacity": 5} | settings))


def samples(batches: Iterator[StreamBatch] | list[StreamBatch]) -> list[Sample]:
    return [sample for batch in batches for sample, _ in batch.loaded]


def shown(batches: list[StreamBatch]) -> list[Any]:
    """Return everything about batches that a trainer sees, in a form that can be compared."""
    return [
        [
            (sample.to_json(), [row.tobytes() for row in grid.rows], grid.masked.tolist())
            for sample, grid in batch.loaded
        ]
        for batch in batches
    ]


@pytest.mark.parametrize("parts", [1, 2, 3, 7])
def test_the_parts_have_every_record_as_a_query_once_an_epoch(data: str, parts: int) -> None:
    stream = make_stream(data)
    for epochs in (1, 2):
        found = [samples(stream.batches(part=part, parts=parts, epochs=epochs)) for part in range(parts)]
        queries = Counter(sample.records[-1] for sample in itertools.chain(*found))
        assert queries == {row: epochs for row in range(RECORDS)}
    assert stream.counts.unserved == stream.counts.unreadable == 0


def test_a_record_has_one_task_and_one_query_whoever_reads_it(data: str) -> None:
    stream = make_stream(data)
    alone = {sample.index: sample for sample in samples(stream.batches(epochs=1))}
    for part in range(3):
        for sample in samples(stream.batches(part=part, parts=3, epochs=1)):
            same = alone[sample.index]
            assert (sample.task, sample.columns, sample.masked[0][1]) == (same.task, same.columns, same.masked[0][1])
            assert [cell.variant for cell in sample.rows[-1]] == [cell.variant for cell in same.rows[-1]]


@pytest.mark.parametrize("settings", [{}, {"batch_size": 2, "waiting": 4}, {"batch_size": 3, "waiting": 2}])
def test_a_stream_resumed_behind_any_batch_goes_on_as_if_nothing_had_been(data: str, settings: dict[str, int]) -> None:
    whole = list(make_stream(data, **settings).batches(parts=2, epochs=2))
    expected = shown(whole)
    for done, batch in enumerate(whole, start=1):
        state = json.loads(json.dumps(batch.state))
        assert shown(list(make_stream(data, **settings).batches(parts=2, epochs=2, state=state))) == expected[done:]


def test_a_batch_has_one_shape_and_only_as_many_wait_as_are_allowed(data: str) -> None:
    stream = make_stream(data, SamplerConfig(seed=5, area_px=64**2, shape="square"), batch_size=2, waiting=5)
    batches = list(stream.batches(epochs=2))
    assert sorted(sample.records[-1] for sample in samples(batches)) == sorted([*range(RECORDS)] * 2)
    assert all(len({grid.shape for _, grid in batch.loaded}) == 1 for batch in batches)
    assert {len(batch.loaded) for batch in batches} == {1, 2}
    assert max(len(batch.state["waiting"]) for batch in batches) < 5


def test_with_batches_examples_have_the_aspect_ratio_of_their_query(data: str) -> None:
    batches = list(make_stream(data, batch_size=2, capacity=14).batches(epochs=1))
    assert max(len(sample.rows) for sample in samples(batches)) > 1
    assert all(len(set(sample.cell_sizes)) == 1 for sample in samples(batches))


def test_examples_serve_the_task_and_are_never_the_query_or_each_other(data: str) -> None:
    config = SamplerConfig(seed=1, area_px=64**2, contexts=(0, 0, 1))
    stream = make_stream(data, config)
    dataset = Dataset(data)
    found = samples(stream.batches(epochs=3))
    for sample in found:
        assert len(set(sample.records)) == 3
        assert dataset.can_serve(sample.task)[list(sample.records)].all()
    assert stream.counts.fewer_contexts == 0
    assert len({sample.task.name for sample in found}) > 20


def test_fewer_examples_than_drawn_are_counted(data: str) -> None:
    stream = make_stream(data, SamplerConfig(seed=1, area_px=64**2, contexts=(0, 0, 1)), capacity=2)
    assert {len(sample.rows) for sample in samples(stream.batches(epochs=1))} == {2}
    assert stream.counts.fewer_contexts == RECORDS


def test_an_exact_duplicate_is_no_example(tmp_path: Path) -> None:
    from support.pictures import draw_scene

    make_dataset(tmp_path, 6, draw=lambda number: draw_scene(number // 2))
    stream = make_stream(tmp_path, SamplerConfig(area_px=64**2, contexts=(0, 0, 0, 1)), capacity=6)
    found = samples(stream.batches(epochs=2))
    assert len(found) == 12
    assert all(len({row // 2 for row in sample.records}) == len(sample.records) == 3 for sample in found)


def test_what_serves_no_task_is_counted_and_never_read(tmp_path: Path) -> None:
    make_varied_dataset(tmp_path, 8)
    stream = TaskStream(str(tmp_path), CONFIG, only=["canny,target"])
    serving = np.flatnonzero(Dataset(str(tmp_path)).can_serve(find_task("canny,target")))
    assert sorted(sample.records[-1] for sample in samples(stream.batches(epochs=1))) == list(serving)
    assert stream.counts.unserved == 8 - len(serving) > 0


def test_tasks_come_up_as_often_as_their_weights_say(data: str) -> None:
    stream = TaskStream(data, CONFIG, only=TASKS)
    picker, dataset = stream._picker, stream.dataset
    counts: Counter[str] = Counter()
    for index in range(4000):
        picked = picker.pick(index, index % RECORDS, np.arange(RECORDS), lambda *_: True)
        assert picked is not None
        counts[picked[0].task.name] += 1
    assert len(dataset) == RECORDS
    for entry in stream.pool.tasks:
        assert counts[entry.task.name] / 4000 == pytest.approx(entry.weight, abs=0.03)


def test_the_buffer_holds_no_more_than_it_may(data: str) -> None:
    largest = max(sum(member.size for member in Dataset(data).members(row)) for row in range(RECORDS))
    stream = make_stream(data, capacity=4)
    from sampler.reading import BufferedDataset

    held = []
    original = BufferedDataset.hold

    def hold(self: BufferedDataset, row: int) -> None:
        original(self, row)
        held.append(self.held_bytes)

    BufferedDataset.hold = hold  # type: ignore[method-assign]
    try:
        assert len(samples(stream.batches(epochs=2))) == 2 * RECORDS
    finally:
        BufferedDataset.hold = original  # type: ignore[method-assign]
    assert 0 < max(held) <= 4 * largest


def damage(data: Path, nodes: tuple[str, ...] | None = None, rows: range = range(RECORDS)) -> set[str]:
    """Turn a bit in members of the shards, and return how they are named."""
    dataset, names = Dataset(str(data)), set()
    for row in rows:
        shard = int(dataset.shard_numbers[row])
        path = data / shard_path(shard)
        tar = bytearray(path.read_bytes())
        for member in dataset.members(row):
            if nodes is None or member.node in nodes:
                tar[member.offset + member.size // 2] ^= 1
                names.add(f"{path.stem}: {member.key}.{member.node}")
        path.write_bytes(tar)
    return names


def test_a_damaged_member_is_left_out_and_counted_by_name(copied: Path) -> None:
    names = damage(copied, ("canny",), range(3, 6))
    stream = TaskStream(str(copied), CONFIG, settings=StreamSettings(capacity=5), only=TASKS)
    found = samples(stream.batches(epochs=4))
    assert len(found) == 4 * RECORDS
    bad = {row for sample in found for row in sample.records[:] if "canny" in sample.task.path} & {3, 4, 5}
    assert bad == set()
    assert {name.removesuffix(".png") for name in stream.counts.damaged} == names
    assert stream.counts.unreadable == 0


def test_a_record_that_is_left_no_task_is_counted(copied: Path) -> None:
    damage(copied, ("target",), range(2, 3))
    damage(copied, ("json",), range(7, 8))
    stream = TaskStream(str(copied), CONFIG, settings=StreamSettings(capacity=5), only=["canny,target"])
    found = samples(stream.batches(epochs=1))
    assert sorted(sample.records[-1] for sample in found) == sorted({*range(RECORDS)} - {2, 7})
    assert stream.counts.unreadable == 2


def test_a_damaged_stream_resumes_like_a_sound_one(copied: Path) -> None:
    damage(copied, ("canny", "hed"), range(2, 8))
    damage(copied, ("target",), range(9, 10))
    whole = list(make_stream(copied, batch_size=2, waiting=4).batches(epochs=2))
    expected = shown(whole)
    for done in range(1, len(whole), 3):
        resumed = make_stream(copied, batch_size=2, waiting=4).batches(epochs=2, state=whole[done - 1].state)
        assert shown(list(resumed)) == expected[done:]


def test_a_hundred_damaged_members_in_a_row_stop_with_the_shard_named(copied: Path) -> None:
    damage(copied)
    with pytest.raises(DatasetError, match=r"^graph200k-00000\d: 100 members in a row are damaged.*graph200k verify"):
        list(make_stream(copied).batches())


def test_a_missing_shard_is_an_error_that_names_it(copied: Path) -> None:
    (copied / shard_path(2)).unlink()
    with pytest.raises(DatasetError, match=r"graph200k-000002\.tar is missing"):
        list(make_stream(copied).batches(epochs=1))


def test_a_state_of_another_stream_is_refused_with_what_differs(data: str) -> None:
    state = next(make_stream(data).batches(part=1, parts=2)).state
    with pytest.raises(PlanError, match=r"parts 2 \(now 3\)"):
        next(make_stream(data).batches(part=1, parts=3, state=state))
    with pytest.raises(PlanError, match="fingerprint"):
        next(make_stream(data, capacity=6).batches(part=1, parts=2, state=state))
    with pytest.raises(PlanError, match="part 3 of 3"):
        next(make_stream(data).batches(part=3, parts=3))
    with pytest.raises(PlanError, match="capacity is 0"):
        StreamSettings(capacity=0)


class _Handler(SimpleHTTPRequestHandler):
    """A web server that knows no ranges."""

    def log_message(self, *_: object) -> None: ...


class _RangeHandler(_Handler):
    """One that does, as object stores and their proxies do."""

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def _answer(self, *, with_body: bool) -> None:
        path = Path(self.translate_path(self.path))
        if not path.is_file():
            self.send_error(404)
            return
        data, wanted = path.read_bytes(), re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("Range", ""))
        start, stop = (int(wanted[1]), min(int(wanted[2]) + 1, len(data))) if wanted else (0, len(data))
        self.send_response(206 if wanted else 200)
        self.send_header("Accept-Ranges", "bytes")
        self.send_header("Content-Length", str(stop - start))
        if wanted:
            self.send_header("Content-Range", f"bytes {start}-{stop - 1}/{len(data)}")
        self.end_headers()
        if with_body:
            self.wfile.write(data[start:stop])


@contextmanager
def serving(data: str, handler: type[SimpleHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(handler, directory=data))
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def pixels(batches: list[StreamBatch]) -> list[Any]:
    return [[row.tobytes() for row in grid.rows] for batch in batches for _, grid in batch.loaded]


def test_a_stream_from_a_web_server_is_that_of_a_disk_and_resumes(data: str) -> None:
    here = list(make_stream(data).batches(epochs=1))
    with serving(data, _RangeHandler) as url:
        there = list(make_stream(url).batches(epochs=1))
        resumed = list(make_stream(url).batches(epochs=1, state=there[8].state))
    assert pixels(there) == pixels(here)
    assert pixels(resumed) == pixels(here)[9:]


def test_a_web_server_without_ranges_is_an_error_that_says_so(data: str) -> None:
    with serving(data, _Handler) as url, pytest.raises(DatasetError, match="use a server that answers range requests"):
        list(make_stream(url).batches(epochs=1))
