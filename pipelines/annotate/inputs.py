"""What annotators read of a record: images and facts, from the shard or made a moment ago in the same run."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from annotators.base import Annotator, RecordView
from graph200k.catalogue import GRAPH200K
from graph200k.codecs import decode_image
from graph200k.facts import fact_from_json, makers, with_fact
from graph200k.record import FACTS, JSON_NODE, RecordInfo, Text


@dataclass(frozen=True, slots=True)
class Inputs:
    """The records of a unit of work, as annotators see them."""

    read: Callable[[str, str], bytes | None]
    """From key and node to the bytes of that member of the shard, None if there is none."""
    made: dict[str, dict[str, bytes]]
    """Encoded images and facts made in this run that later stages read, by key and name."""

    def load(self, annotator: Annotator, key: str, images: dict[str, np.ndarray]) -> list[str]:
        """Decode what an annotator reads into ``images``; return the node types and facts that the record lacks."""
        missing = []
        for node in ("target", *annotator.reads):
            if node in images:
                continue
            if node in FACTS:
                missing += [] if self._knows(key, node) else [node]
                continue
            data = self.made.get(key, {}).get(node) or self.read(key, node)
            if data is None:
                missing.append(node)
            else:
                images[node] = decode_image(data, channels=GRAPH200K[node].channels)
                images[node].flags.writeable = False  # annotators share it
        return missing

    def view(self, annotator: Annotator, key: str, images: Mapping[str, np.ndarray]) -> RecordView:
        """Return what an annotator may see: its inputs, and no more."""
        seen = {node: images[node] for node in ("target", *annotator.reads) if node in images}
        facts = [name for name in annotator.reads if name in FACTS]
        if not facts:
            return RecordView(seen)
        info = self._info(key)
        return RecordView(
            seen,
            text=info.text if "text" in facts else Text(),
            boxes=info.boxes if "boxes" in facts else (),
            edits=[edit for edit in info.edits if f"{edit.node}.edits" in facts],
        )

    def forward(self, key: str, name: str, data: bytes) -> None:
        """Keep what was made for annotators that come later."""
        self.made.setdefault(key, {})[name] = data

    def _knows(self, key: str, fact: str) -> bool:
        """Return whether somebody stated a fact, if only that there is nothing to state."""
        return fact in self.made.get(key, {}) or fact in makers(self._info(key))

    def _info(self, key: str) -> RecordInfo:
        """Return a record's JSON with what this run found out since."""
        data = self.read(key, JSON_NODE)
        assert data is not None  # no record without
        info = RecordInfo.from_json(data)
        for name, fact in self.made.get(key, {}).items():
            if name in FACTS:
                info = with_fact(info, name, fact_from_json(name, fact))
        return info
