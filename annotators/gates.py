"""Quality gates: what a generated picture must be to be kept, and a bounded number of redraws for what is not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from graph200k.errors import RejectedError
from graph200k.seeds import derive_seed

_LEAST_SPREAD = 4.0
"""Standard deviation in grey levels below which a picture is blank: a failed decoding, or one that a filter blacked."""

D = TypeVar("D")


@dataclass(frozen=True, slots=True)
class Draft(Generic[D]):
    """One picture to be made."""

    variant: int
    seed: int
    """Seed of its record, node type and variant; each try has its own, derived from it."""
    given: D
    """What it is made from."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a draft."""

    image: np.ndarray | None
    """None if every try was rejected."""
    seed: int
    """Of the try that was kept, or of the last one."""
    rejected: Counter[str]
    """Tries that were rejected, by reason."""

    def drawn(self) -> dict[str, Any]:
        """Return what goes into its provenance."""
        return {"seed": self.seed, "rejected": dict(sorted(self.rejected.items()))}


def draw_accepted(
    drafts: Sequence[Draft[D]],
    generate: Callable[[Sequence[Draft[D]], Sequence[int]], Sequence[np.ndarray]],
    reject: Callable[[Draft[D], np.ndarray], str | None],
    *,
    tries: int,
) -> list[Outcome]:
    """Return what came of each draft, in order: all are generated together, then those rejected once more, and so on.

    Parameters
    ----------
    drafts
        What to make.
    generate
        From drafts and a seed for each to pictures.
    reject
        Why a picture is not good enough, None if it is.
    tries
        Most pictures made of one draft.
    """
    outcomes: dict[int, Outcome] = {}
    rejected: list[Counter[str]] = [Counter() for _ in drafts]
    pending = list(range(len(drafts)))
    for attempt in range(tries):
        seeds = [derive_seed(drafts[position].seed, attempt) for position in pending]
        images = generate([drafts[position] for position in pending], seeds) if pending else ()
        for position, seed, image in zip(list(pending), seeds, images, strict=True):
            reason = reject(drafts[position], image)
            if reason is None:
                pending.remove(position)
            else:
                rejected[position][reason] += 1
            outcomes[position] = Outcome(None if reason else image, seed, rejected[position])
    return [outcomes[position] for position in range(len(drafts))]


def kept(node: str, made: Sequence[tuple[Draft[D], Outcome]]) -> list[tuple[Draft[D], np.ndarray, dict[str, Any]]]:
    """Return the drafts of a record that were kept, their pictures, and what goes into the provenance of each.

    The rejections of a variant that is missing stand in the provenance of the first that is not.

    Raises
    ------
    RejectedError
        If nothing of the record was kept, with the number of rejected pictures by reason.
    """
    missing = {str(draft.variant): dict(outcome.rejected) for draft, outcome in made if outcome.image is None}
    found: list[tuple[Draft[D], np.ndarray, dict[str, Any]]] = []
    for draft, outcome in made:
        if outcome.image is not None:
            beside = {"missing": missing} if missing and not found else {}
            found.append((draft, outcome.image, outcome.drawn() | beside))
    if made and not found:
        counts = sum((outcome.rejected for _, outcome in made), Counter[str]())
        reasons = ", ".join(f"{reason} {count}" for reason, count in counts.most_common())
        raise RejectedError(f"no {node} was good enough in {counts.total()} tries: {reasons}", counts)
    return found


def count_rejections(drawn: Mapping[str, Any]) -> Counter[str]:
    """Return the rejections that one picture's provenance tells of, by reason.

    Examples
    --------
    >>> count_rejections({"rejected": {"blank": 1}, "missing": {"3": {"blank": 2, "unchanged": 1}}})
    Counter({'blank': 3, 'unchanged': 1})
    """
    return sum(map(Counter, drawn.get("missing", {}).values()), Counter(drawn.get("rejected", {})))


def is_blank_picture(image: np.ndarray) -> bool:
    """Return whether a picture is nearly one colour."""
    return float(image.std(axis=(0, 1)).max()) < _LEAST_SPREAD


def mean_difference(first: np.ndarray, second: np.ndarray, where: np.ndarray | None = None) -> float:
    """Return the mean absolute difference of two pictures of one size (0 to 255), of the pixels ``where`` alone.

    Examples
    --------
    >>> grey = np.full((2, 2, 3), 100, np.uint8)
    >>> mean_difference(grey, grey + 10), mean_difference(grey, grey, np.zeros((2, 2), bool))
    (10.0, 0.0)
    """
    difference = np.abs(first.astype(np.int16) - second).mean(axis=-1)
    chosen = difference if where is None else difference[where]
    return float(chosen.mean()) if chosen.size else 0.0
