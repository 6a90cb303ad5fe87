"""Dealing shards and the order of a shuffle buffer: nothing lost, nothing twice, and a function of numbers."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from sampler.shuffle import ShuffleBuffer, deal

counts = st.integers(0, 40)


def run(buffer: ShuffleBuffer, turns: int | None = None) -> list[int]:
    """Return the ordinals of the next turns, all that are left by default."""
    given = []
    while buffer.live and (turns is None or len(given) < turns):
        given.append(buffer.slots[buffer.slot])
        buffer.advance()
    return given


@given(shards=counts, parts=st.integers(1, 50), epoch=st.integers(0, 9), seed=st.integers(0, 99))
def test_the_parts_have_all_shards_between_them_each_once(shards: int, parts: int, epoch: int, seed: int) -> None:
    dealt = [deal(shards, seed=seed, epoch=epoch, part=part, parts=parts) for part in range(parts)]
    assert sorted(np.concatenate(dealt).tolist()) == list(range(shards))


@given(shards=st.integers(1, 40), parts=st.integers(1, 50), epochs=st.integers(1, 12))
def test_over_the_epochs_no_part_reads_more_than_one_shard_more_than_another(
    shards: int, parts: int, epochs: int
) -> None:
    read = [
        sum(len(deal(shards, seed=1, epoch=epoch, part=part, parts=parts)) for epoch in range(epochs))
        for part in range(parts)
    ]
    assert max(read) - min(read) <= 1


def test_each_epoch_and_each_seed_reads_the_shards_in_another_order() -> None:
    orders = {tuple(deal(20, seed=seed, epoch=epoch, part=0, parts=1)) for seed in (0, 1) for epoch in (0, 1)}
    assert len(orders) == 4


@given(length=st.integers(0, 3000), capacity=st.integers(1, 300), seed=st.integers(0, 99))
def test_every_record_is_given_out_once_from_a_buffer_that_never_grows(length: int, capacity: int, seed: int) -> None:
    buffer, given = ShuffleBuffer(length, capacity, seed), []
    while buffer.live:
        assert len(buffer.slots) == len(set(buffer.slots)) == min(capacity, length)
        given.append(buffer.slots[buffer.slot])
        buffer.advance()
    assert sorted(given) == list(range(length))
    # What is spent stays to be an example: the last query has as many beside it as the first.
    assert len(buffer.slots) == min(capacity, length)


@given(length=st.integers(0, 2000), capacity=st.integers(1, 300), turns=st.integers(0, 2000))
def test_a_buffer_that_is_moved_forward_goes_on_like_one_that_was_used(length: int, capacity: int, turns: int) -> None:
    used, moved = ShuffleBuffer(length, capacity, "x"), ShuffleBuffer(length, capacity, "x")
    run(used, turns)
    while moved.live and moved.turns < turns:
        moved.advance()
    assert moved.slots == used.slots and run(moved) == run(used)


def test_the_order_is_another_for_another_name_and_nothing_like_the_order_read() -> None:
    orders = [run(ShuffleBuffer(500, 100, name)) for name in ("a", "b")]
    assert orders[0] != orders[1]
    assert 0.2 < np.mean(np.diff(orders[0]) < 0) < 0.8


def test_a_record_is_rarely_held_much_longer_than_the_buffer_is_large() -> None:
    buffer, age = ShuffleBuffer(20_000, 100, "age"), []
    while buffer.turns < 19_000:
        buffer.advance()
        age.append(buffer.turns + len(buffer.slots) - min(buffer.slots))
    # Going back to the oldest one is what resuming reads at most: 100 · ln(20,000) is about 1,000.
    assert np.median(age) < 1000
