"""Datasets that are nothing but an index: for draws, which read no pixels."""

import numpy as np

from graph200k.catalogue import GRAPH200K, Storage


class SyntheticIndex:
    """What a pool reads of a dataset, for ``records`` records that have each stored node type with a chance."""

    catalogue = GRAPH200K

    def __init__(self, records: int, *, chance: float = 0.8, seed: int = 0) -> None:
        rng = np.random.default_rng(seed)
        entries = GRAPH200K.values()
        always = [entry.name for entry in entries if entry.storage is Storage.ONLINE or entry.name == "target"]
        self.availability = np.full(records, GRAPH200K.mask(always), np.uint64)
        for entry in entries:
            if entry.name not in always:
                has = (rng.random(records) < chance).astype(np.uint64)
                self.availability |= has << np.uint64(GRAPH200K.bit(entry.name))
        self.sizes = rng.integers(512, 1100, (records, 2)).astype(np.int32)
        self.contents = rng.permutation(records).astype(np.uint64)

    def content_ids(self) -> np.ndarray:
        return self.contents
