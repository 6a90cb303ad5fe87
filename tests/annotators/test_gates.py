"""Quality gates: redraws within a bound, each rejection counted, nothing kept that should not be."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from annotators.gates import Draft, count_rejections, draw_accepted, is_blank_picture, kept
from annotators.screening import Screen
from graph200k.errors import RejectedError
from graph200k.seeds import derive_seed

DRAFTS = [Draft(variant, seed=100 + variant, given=f"draft {variant}") for variant in range(3)]


def generate(drafts: Sequence[Draft[str]], seeds: Sequence[int]) -> list[np.ndarray]:
    """Return pictures that hold their seed."""
    return [np.array([[[seed % 251] * 3]], np.uint8) for seed in seeds]


def test_what_is_rejected_is_made_again_with_another_seed_and_the_rest_is_left_alone() -> None:
    calls: list[list[int]] = []

    def count(drafts: Sequence[Draft[str]], seeds: Sequence[int]) -> list[np.ndarray]:
        calls.append([draft.variant for draft in drafts])
        return generate(drafts, seeds)

    seen = Counter[int]()

    def reject(draft: Draft[str], image: np.ndarray) -> str | None:
        seen[draft.variant] += 1
        return "dull" if draft.variant == 1 and seen[1] < 3 else None

    outcomes = draw_accepted(DRAFTS, count, reject, tries=3)
    assert calls == [[0, 1, 2], [1], [1]]
    assert [outcome.rejected for outcome in outcomes] == [Counter(), Counter(dull=2), Counter()]
    assert [outcome.seed for outcome in outcomes] == [
        derive_seed(100, 0), derive_seed(101, 2), derive_seed(102, 0)
    ]  # fmt: skip
    assert outcomes[1].image is not None and outcomes[1].image[0, 0, 0] == derive_seed(101, 2) % 251
    assert outcomes[1].drawn() == {"seed": derive_seed(101, 2), "rejected": {"dull": 2}}


def test_tries_are_bounded_and_then_a_variant_is_missing() -> None:
    outcomes = draw_accepted(DRAFTS, generate, lambda draft, image: "dull" if draft.variant else None, tries=4)
    assert [outcome.image is None for outcome in outcomes] == [False, True, True]
    assert [outcome.rejected.total() for outcome in outcomes] == [0, 4, 4]
    ((draft, _, drawn),) = kept("fill_edit", list(zip(DRAFTS, outcomes, strict=True)))
    assert draft is DRAFTS[0]
    assert drawn == {"seed": derive_seed(100, 0), "rejected": {}, "missing": {"1": {"dull": 4}, "2": {"dull": 4}}}
    assert count_rejections(drawn) == Counter(dull=8)


def test_if_none_is_kept_the_reasons_are_counted() -> None:
    reasons = iter(["dull", "dull", "nsfw", "dull", "dull", "dull"])
    outcomes = draw_accepted(DRAFTS, generate, lambda draft, image: next(reasons), tries=2)
    with pytest.raises(RejectedError, match="no fill_edit was good enough in 6 tries: dull 5, nsfw 1") as raised:
        kept("fill_edit", list(zip(DRAFTS, outcomes, strict=True)))
    assert raised.value.reasons == {"dull": 5, "nsfw": 1}


def test_one_colour_is_blank_and_two_are_not() -> None:
    grey = np.full((8, 8, 3), 127, np.uint8)
    assert is_blank_picture(grey)
    grey[:4] = 200
    assert not is_blank_picture(grey)


def test_gates_of_models_let_pass_what_is_within_their_limits() -> None:
    image = np.zeros((4, 4, 3), np.uint8)
    assert Screen(lambda _: 0.9, 0.5).reject(image, "") == "nsfw"
    assert Screen(lambda _: 0.4, 0.5, lambda _, prompt: 0.1, 0.2).reject(image, "a cup") == "disagrees_with_prompt"
    assert Screen(lambda _: 0.4, 0.5, lambda _, prompt: 0.1, 0.2).reject(image, "") is None
    assert Screen(None, 1.0).reject(image, "a cup") is None
