"""Degradations that are one of several kinds at one of several severities, each a pure function of the image."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, TypeAlias

import numpy as np

from annotators.degradations.base import Degradation, Params
from graph200k.errors import UnknownNameError

Levels: TypeAlias = Mapping[str, Sequence[Params]]
"""For each kind, the arguments of its function by severity, mildest first."""


def by_severity(**values: Sequence[Any]) -> tuple[Params, ...]:
    """Return the arguments of each severity from the values of each argument.

    Examples
    --------
    >>> by_severity(radius=(5, 10), sigma=(3.0, 5.0))
    ({'radius': 5, 'sigma': 3.0}, {'radius': 10, 'sigma': 5.0})
    """
    return tuple(dict(zip(values, level, strict=True)) for level in zip(*values.values(), strict=True))


class Choice(Degradation):
    """One kind of :attr:`functions` at one severity of ``levels``, both uniform."""

    __slots__ = ()
    functions: ClassVar[Mapping[str, Callable[..., np.ndarray]]]
    """What each kind does."""
    identities: ClassVar[Mapping[str, Params]] = {}
    """Arguments with which a kind would do nothing; if they stand in ``levels``, they are drawn again."""
    levels: Levels

    def __post_init__(self) -> None:
        if unknown := self.levels.keys() - self.functions.keys():
            raise UnknownNameError("kind", min(unknown), self.functions)
        if all(arguments == self.identities.get(kind) for kind, levels in self.levels.items() for arguments in levels):
            raise ValueError(f"levels {self.levels} leave the image as it is; give at least one that changes it")

    def draw(self, rng: np.random.Generator) -> Params:
        while True:
            kind = list(self.levels)[int(rng.integers(len(self.levels)))]
            severity = int(rng.integers(1, len(self.levels[kind]) + 1))
            arguments = self.levels[kind][severity - 1]
            if arguments != self.identities.get(kind):
                return {"kind": kind, "severity": severity, **copy.deepcopy(arguments)}

    def apply(self, image: np.ndarray, params: Params) -> np.ndarray:
        arguments = {name: value for name, value in params.items() if name not in ("kind", "severity")}
        return self.functions[params["kind"]](image, **arguments)
