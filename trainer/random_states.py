"""The states of all global random generators, as tensors that a checkpoint can hold.

What a sample gets is drawn from generators of its own, so a run does not depend on these; libraries may (a dropout that
someone switches on), and then a resumed run still goes on as it would have.
"""

from __future__ import annotations

import random
from collections.abc import Mapping

import numpy as np
import torch


def random_states() -> dict[str, torch.Tensor]:
    """Return the states of Python's, numpy's, torch's and the current GPU's generators."""
    version, words, gauss = random.getstate()
    numpy = np.random.get_state(legacy=False)  # noqa: NPY002 - the global generator is what is to be kept
    found = {
        "python": torch.tensor([version, *words], dtype=torch.int64),
        "python_gauss": torch.tensor([gauss is not None, gauss or 0.0], dtype=torch.float64),
        "numpy": torch.from_numpy(numpy["state"]["key"].astype(np.int64)),
        "numpy_place": torch.tensor([numpy["state"]["pos"], numpy["has_gauss"]], dtype=torch.int64),
        "numpy_gauss": torch.tensor([numpy["gauss"]], dtype=torch.float64),
        "torch": torch.get_rng_state(),
    }
    return found | ({"cuda": torch.cuda.get_rng_state()} if torch.cuda.is_available() else {})


def restore_random_states(states: Mapping[str, torch.Tensor]) -> None:
    """Set the generators to what :func:`random_states` returned; a GPU's is left alone if it was saved without one."""
    version, *words = (int(word) for word in states["python"])
    has_gauss, gauss = (float(value) for value in states["python_gauss"])
    random.setstate((version, tuple(words), gauss if has_gauss else None))
    position, has_gauss = (int(value) for value in states["numpy_place"])
    np.random.set_state(  # noqa: NPY002
        {
            "bit_generator": "MT19937",
            "state": {"key": states["numpy"].numpy().astype(np.uint32), "pos": position},
            "has_gauss": has_gauss,
            "gauss": float(states["numpy_gauss"][0]),
        }
    )
    torch.set_rng_state(states["torch"])
    if "cuda" in states and torch.cuda.is_available():
        torch.cuda.set_rng_state(states["cuda"])
