"""Draws: pure in seed and index, one grid shape a block, and the probabilities that were asked for."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sampler.config import DatasetShare, SamplerConfig, TaskWeights
from sampler.draws import Drawer, Draws
from sampler.pool import Pool
from support.indexes import SyntheticIndex

FIELDS = list(Draws.__dataclass_fields__)


@pytest.fixture(scope="module")
def pool() -> Pool:
    return Pool([SyntheticIndex(3000)], [DatasetShare(data="synthetic")], None, square=False)


@pytest.fixture(scope="module")
def drawer(pool: Pool) -> Drawer:
    return Drawer(pool, SamplerConfig(seed=5))


@pytest.fixture(scope="module")
def million(drawer: Drawer) -> Draws:
    parts = [drawer.draws(start, start + 100_000) for start in range(0, 1_000_000, 100_000)]
    return Draws(**{name: np.concatenate([getattr(part, name) for part in parts]) for name in FIELDS})


@given(start=st.integers(0, 2**40), length=st.integers(1, 40), cut=st.integers(0, 40))
@settings(max_examples=60, deadline=None)
def test_draws_of_a_range_equal_the_draws_of_its_pieces(drawer: Drawer, start: int, length: int, cut: int) -> None:
    whole, middle = drawer.draws(start, start + length), start + min(cut, length)
    pieces = [drawer.draws(start, middle), drawer.draws(middle, start + length)]
    for name in FIELDS:
        assert np.array_equal(getattr(whole, name), np.concatenate([getattr(piece, name) for piece in pieces])), name


def test_draws_equal_those_made_one_by_one(drawer: Drawer) -> None:
    whole = drawer.draws(0, 50)
    for index in range(50):
        alone = drawer.draws(index, index + 1)
        assert all(np.array_equal(getattr(whole, name)[index], getattr(alone, name)[0]) for name in FIELDS)


def test_another_seed_gives_other_draws(pool: Pool, drawer: Drawer) -> None:
    other = Drawer(pool, SamplerConfig(seed=6)).draws(0, 1000)
    assert (other.records[:, 0] != drawer.draws(0, 1000).records[:, 0]).mean() > 0.9


def test_a_block_has_one_grid_shape(drawer: Drawer, pool: Pool) -> None:
    draws = drawer.draws(0, 4000)
    columns = np.array([len(entry.columns) for entry in pool.tasks])[draws.tasks]
    shape = np.column_stack([columns, draws.contexts, draws.buckets]).reshape(500, 8, -1)
    assert (shape == shape[:, :1]).all()
    assert len(np.unique(shape[:, 0], axis=0)) > 50


def test_tasks_come_up_with_their_probabilities(million: Draws, pool: Pool) -> None:
    wanted = np.array([entry.weight for entry in pool.tasks])
    found = np.bincount(million.tasks, minlength=len(wanted)) / len(million.tasks)
    assert np.abs(found - wanted).sum() / 2 < 0.01
    assert np.abs(found - wanted).max() < 0.001


def test_groups_come_up_alike(million: Draws, pool: Pool) -> None:
    from sampler.weights import task_group

    groups = [task_group(entry.task) for entry in pool.tasks]
    counts = Counter[str]()
    for group, number in zip(groups, np.bincount(million.tasks, minlength=len(groups)), strict=True):
        counts[group] += int(number)
    assert len(counts) == 12
    assert all(abs(number / 1_000_000 - 1 / 12) < 0.01 / 6 for number in counts.values())


def test_numbers_of_contexts_come_up_as_asked(million: Draws) -> None:
    assert np.bincount(million.contexts) / 1_000_000 == pytest.approx([0.3, 0.4, 0.3], abs=0.005)


def test_records_of_a_task_come_up_alike(million: Draws, pool: Pool) -> None:
    """Every record that can serve the task is its query equally often, whatever its shape."""
    task = int(np.argmax([entry.weight for entry in pool.tasks]))
    queries = million.records[np.arange(1_000_000), million.contexts][million.tasks == task]
    serving = len(pool.tasks[task].records)
    counts = np.bincount(queries, minlength=3000)
    assert (counts > 0).sum() == serving
    expected = len(queries) / serving
    chi_square = (((counts[counts > 0] - expected) ** 2) / expected).sum()
    # The shape is drawn a block, so neighbours are alike in their buckets and the spread is wider than a multinomial's.
    assert chi_square / serving < 1.6


def test_queries_and_examples_have_the_shape_of_their_row(million: Draws, pool: Pool) -> None:
    from sampler.grid import SQUARE, aspect_buckets
    from sampler.pool import TURNED

    buckets = aspect_buckets(SyntheticIndex(3000).sizes)
    turned = np.array([not TURNED.isdisjoint(entry.task.path) for entry in pool.tasks])[million.tasks]
    there = million.records >= 0
    assert np.array_equal(there, np.arange(3)[None, :] <= million.contexts[:, None])
    assert (buckets[million.records] == million.buckets)[there & ~turned[:, None]].all()
    assert (million.buckets == SQUARE)[there & turned[:, None]].all()


def test_every_record_can_serve_the_task_it_is_drawn_for(million: Draws, pool: Pool) -> None:
    index = SyntheticIndex(3000)
    needs = np.array([index.catalogue.mask(entry.task.path) for entry in pool.tasks], np.uint64)[million.tasks]
    there = million.records >= 0
    have = index.availability[million.records]
    assert ((have & needs[:, None]) == needs[:, None])[there].all()


def test_no_record_stands_twice_in_a_grid(million: Draws) -> None:
    rows = million.records
    for first, second in ((0, 1), (0, 2), (1, 2)):
        assert not ((rows[:, first] == rows[:, second]) & (rows[:, second] >= 0)).any()


def test_half_of_the_samples_are_reversed(million: Draws, pool: Pool) -> None:
    columns = np.array([len(entry.columns) for entry in pool.tasks])[million.tasks]
    assert (million.masked < columns - 1).mean() == pytest.approx(0.5, abs=0.003)
    four = million.masked[columns == 4]
    assert np.bincount(four) / len(four) == pytest.approx([1 / 6, 1 / 6, 1 / 6, 1 / 2], abs=0.02)


def test_another_attempt_redraws_within_the_same_shape(drawer: Drawer, pool: Pool) -> None:
    first, second = drawer.draws(0, 800), drawer.draws(0, 800, attempt=1)
    assert np.array_equal(first.contexts, second.contexts) and np.array_equal(first.buckets, second.buckets)
    assert (first.records[:, 0] != second.records[:, 0]).mean() > 0.9


@pytest.mark.parametrize("records", [1, 2, 5])
def test_few_records_give_fewer_examples_and_never_the_query_again(records: int) -> None:
    pool = Pool([SyntheticIndex(records, chance=1.0)], [DatasetShare(data="synthetic")], None, square=False)
    draws = Drawer(pool, SamplerConfig()).draws(0, 2000)
    assert draws.contexts.max() == min(2, records - 1)
    for row in draws.records:
        there = row[row >= 0]
        assert len(set(there)) == len(there)


def test_exact_duplicates_are_never_shown_together() -> None:
    index = SyntheticIndex(400, chance=1.0)
    index.contents[200:] = index.contents[:200]
    pool = Pool([index], [DatasetShare(data="synthetic")], None, square=False)
    rows = Drawer(pool, SamplerConfig()).draws(0, 20_000).records
    assert pool.duplicates == 200
    contents = np.where(rows >= 0, index.contents[rows], np.arange(10_000, 10_003, dtype=np.uint64))
    assert all(len(set(row)) == 3 for row in contents.tolist())


def test_more_contexts_than_the_release_trains_with_can_be_drawn(pool: Pool) -> None:
    drawer = Drawer(pool, SamplerConfig(contexts=(0, 0, 0, 0, 1)))
    draws = drawer.draws(0, 500)
    assert (draws.contexts == 4).all() and (draws.records >= 0).all()
    assert all(len(set(row)) == 5 for row in draws.records.tolist())


def test_weights_of_tasks_and_datasets_are_kept_in_a_mix() -> None:
    weights = TaskWeights(tasks={"canny,target": 3.0}, groups={"restoration": 0.0})
    shares = [DatasetShare(data="a", weight=3.0, weights=weights), DatasetShare(data="b")]
    pool = Pool([SyntheticIndex(500), SyntheticIndex(100, seed=1)], shares, None, square=False)
    draws = Drawer(pool, SamplerConfig()).draws(0, 200_000)
    datasets = np.array([entry.dataset for entry in pool.tasks])[draws.tasks]
    assert (datasets == 0).mean() == pytest.approx(0.75, abs=0.01)
    names = np.array([entry.task.name for entry in pool.tasks])[draws.tasks]
    first = datasets == 0
    ratio = (first & (names == "canny,target")).sum() / (first & (names == "hed,target")).sum()
    assert ratio == pytest.approx(3.0, abs=0.4)
    assert not (first & (names == "rain,target")).any()
