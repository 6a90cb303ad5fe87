"""An exponential moving average of the adapter's weights."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch


class ExponentialAverage:
    """The moving average of named parameters, in float32 beside them.

    Parameters
    ----------
    parameters
        By name; the average starts at their values.
    decay
        Share of the old average that an update keeps, below 1. The first updates keep less, (1 + k)/(10 + k) at the
        k-th, so that the start is soon forgotten.
    """

    def __init__(self, parameters: Mapping[str, torch.nn.Parameter], decay: float) -> None:
        self._parameters = dict(parameters)
        self._decay = decay
        self._updates = 0
        self._average = {name: value.detach().float().clone() for name, value in self._parameters.items()}

    @torch.no_grad()
    def update(self) -> None:
        """Move the average towards the parameters' present values."""
        self._updates += 1
        decay = min(self._decay, (1 + self._updates) / (10 + self._updates))
        for name, average in self._average.items():
            average.lerp_(self._parameters[name].detach().float(), 1 - decay)

    @contextmanager
    def applied(self) -> Iterator[None]:
        """Give the parameters the average's values for the time of a ``with`` block."""
        present = {name: value.detach().clone() for name, value in self._parameters.items()}
        self._copy(self._average)
        try:
            yield
        finally:
            self._copy(present)

    def state_dict(self) -> dict[str, torch.Tensor]:
        """Return the average by name, and ``updates``, a 0-dimensional integer."""
        return {**self._average, "updates": torch.tensor(self._updates)}

    def load_state_dict(self, state: Mapping[str, torch.Tensor]) -> None:
        """Take over what :meth:`state_dict` gave.

        Raises
        ------
        ValueError
            If it is of other parameters.
        """
        if set(state) != {*self._average, "updates"}:
            different = sorted(set(state) ^ {*self._average, "updates"})
            raise ValueError(f"the average is of other parameters: {len(different)} differ, such as {different[0]}")
        self._updates = int(state["updates"])
        for name, average in self._average.items():
            average.copy_(state[name])

    @torch.no_grad()
    def _copy(self, values: Mapping[str, torch.Tensor]) -> None:
        for name, parameter in self._parameters.items():
            parameter.copy_(values[name])
