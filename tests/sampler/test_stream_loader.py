"""The streamed loader on top of torch: parts of ranks and workers, and a state that is saved and resumed."""

import json
import signal
from collections import Counter
from itertools import islice
from pathlib import Path

import pytest
import torch

from graph200k.errors import PlanError
from sampler.batch import Batch
from sampler.config import SamplerConfig
from sampler.stream_loader import StreamLoader
from sampler.streaming import StreamSettings, TaskStream
from support.full_datasets import make_full_dataset
from support.signalling import signal_workers

RECORDS = 12


@pytest.fixture(scope="module")
def stream(tmp_path_factory: pytest.TempPathFactory) -> TaskStream:
    path: Path = tmp_path_factory.mktemp("streamed")
    make_full_dataset(path, RECORDS, shard_size=3)
    settings = StreamSettings(capacity=4, batch_size=2, waiting=3)
    return TaskStream(str(path), SamplerConfig(area_px=64**2), settings=settings)


def described(batches: list[Batch]) -> list[object]:
    return [[(sample.to_json(), row.sum().item()) for sample in b.samples for row in b.rows] for b in batches]


@pytest.mark.parametrize(("ranks", "workers"), [(1, 0), (2, 0), (1, 2)])
def test_ranks_and_workers_have_each_record_once_in_the_first_epoch(
    stream: TaskStream, ranks: int, workers: int
) -> None:
    queries: Counter[int] = Counter()
    for rank in range(ranks):
        loader = StreamLoader(stream, rank=rank, world_size=ranks, workers=workers)
        for batch in islice(loader, 24):
            queries.update(sample.records[-1] for sample in batch.samples if sample.index < RECORDS)
    assert queries == {row: 1 for row in range(RECORDS)}


@pytest.mark.parametrize("workers", [0, 2])
def test_a_loader_goes_on_behind_the_batch_its_state_was_saved_at(stream: TaskStream, workers: int) -> None:
    expected = described(list(islice(StreamLoader(stream, workers=workers), 11)))
    for done in (1, 6):
        first = StreamLoader(stream, workers=workers)
        assert described(list(islice(first, done))) == expected[:done]
        second = StreamLoader(stream, workers=workers)
        second.load_state_dict(json.loads(json.dumps(first.state_dict())))
        assert described(list(islice(second, 11 - done))) == expected[done:]
        # The first, iterated again, goes on too.
        assert described(list(islice(first, 2))) == expected[done : done + 2]


def test_workers_outlive_what_a_terminal_or_a_scheduler_sends_to_all_processes(stream: TaskStream) -> None:
    expected = described(list(islice(StreamLoader(stream, workers=1), 12)))
    batches = iter(StreamLoader(stream, workers=1))
    first = [next(batches)]
    signal_workers(signal.SIGINT, signal.SIGTERM)
    assert described([*first, *islice(batches, 11)]) == expected


def test_a_batch_holds_samples_of_one_shape_and_moves_as_a_whole(stream: TaskStream) -> None:
    batch = next(iter(StreamLoader(stream))).to("cpu")
    assert batch.masked.shape[0] == len(batch.samples) == len(batch.prompts) == batch.rows[0].shape[0]
    assert batch.rows[0].dtype == torch.uint8


def test_a_state_of_other_ranks_or_workers_is_refused(stream: TaskStream) -> None:
    state = StreamLoader(stream, rank=1, world_size=2).state_dict()
    with pytest.raises(PlanError, match=r"rank 1 \(now 0\)"):
        StreamLoader(stream, rank=0, world_size=2).load_state_dict(state)
    with pytest.raises(PlanError, match=r"workers 0 \(now 3\)"):
        StreamLoader(stream, rank=1, world_size=2, workers=3).load_state_dict(state)
