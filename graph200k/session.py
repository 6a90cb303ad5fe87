"""A writing session: lock, finish what an earlier run left, write, settle the tables, leave nothing behind."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import pyarrow as pa

from graph200k.catalogue import Catalogue
from graph200k.catalogues import find_catalogue
from graph200k.commit import list_shards, roll_forward, seal_shard
from graph200k.lock import dataset_lock
from graph200k.manifest import MANIFEST, Manifest, new_manifest, read_manifest, write_manifest
from graph200k.parts import INGEST_PLAN, PARTS, list_parts, run_marker
from graph200k.records import summarise, write_records
from graph200k.shards import shard_number
from graph200k.storage import TEMPORARY, Folder


@dataclass
class Session:
    """What one writer knows while it holds the lock."""

    folder: Folder
    run: str
    manifest: Manifest
    found_unfinished: bool
    """Whether an earlier run ended without settling; its finished parts are still there."""
    sealed: dict[int, pa.Table] = field(default_factory=dict)
    """Records' rows of the shards sealed so far."""
    _is_settled: bool = False

    @property
    def catalogue(self) -> Catalogue:
        """Node types of the dataset."""
        return find_catalogue(self.manifest.catalogue)

    def seal(self, number: int, drop: frozenset[str] = frozenset(), *, rewrite: bool = False) -> None:
        """Seal a shard from its parts; members made by annotators in ``drop`` go, unless a part replaces them.

        With ``rewrite`` the tar is written anew even if nothing changes: from its index, as a repair needs it.
        """
        records = seal_shard(
            self.folder,
            number,
            drop=lambda member: member.annotator in drop,
            rewrite=rewrite,
            catalogue=self.catalogue,
        )
        if records is not None:
            self.sealed[number] = records

    def save_manifest(self, manifest: Manifest) -> None:
        """Replace ``dataset.json`` now."""
        self.manifest = manifest
        write_manifest(self.folder, manifest)

    def settle(self) -> None:
        """Bring ``records.parquet`` and ``dataset.json`` up to date with the shards; once more costs nothing."""
        if self._is_settled and not self.sealed:
            return
        write_records(self.folder, self.sealed, trust_rest=not self.found_unfinished, catalogue=self.catalogue)
        summary = summarise(self.folder, self.catalogue)
        self.save_manifest(self.manifest.updated(features=summary.features, annotators=summary.annotators))
        self.sealed, self.found_unfinished, self._is_settled = {}, False, True

    def seal_leftovers(self) -> None:
        """Seal what a killed run of annotators had finished; parts of shards that are still being ingested stay."""
        sealed = set(list_shards(self.folder))
        for number in sorted({shard_number(path.rsplit("/", 1)[1]) for path in list_parts(self.folder)} & sealed):
            self.seal(number)


@contextmanager
def write_session(data: str, *, shard_size: int, is_repair: bool = False) -> Iterator[Session]:
    """Open the dataset at ``data`` for writing, making it if there is none.

    What an earlier run left is finished first; a repair does that itself, once its shards can be sealed. On a clean end
    the tables are settled and ``parts/`` goes; after an error finished parts stay for the next run.

    Raises
    ------
    DatasetLockedError
        If another run is writing.
    OutputError
        If the folder cannot be written.
    """
    folder = Folder(data)
    folder.make()
    run = uuid.uuid4().hex[:12]
    with dataset_lock(folder, run):
        unfinished = folder.exists(PARTS)
        roll_forward(folder)
        _sweep(folder)
        is_new = not folder.exists(MANIFEST)
        if is_new:
            write_manifest(folder, new_manifest(shard_size))
        session = Session(folder, run, read_manifest(folder), unfinished)
        folder.write(run_marker(run), b"")
        came_to_nothing = is_new
        try:
            if not is_repair:
                session.seal_leftovers()
            yield session
            session.settle()
            came_to_nothing = False
            if not folder.exists(INGEST_PLAN):
                folder.remove(PARTS)
        finally:
            folder.remove(run_marker(run))
            if came_to_nothing and not list_shards(folder) and folder.walk(PARTS) == []:
                folder.remove(MANIFEST)  # an empty dataset would only be in the way of the next try
                folder.remove(PARTS)


def _sweep(folder: Folder) -> None:
    """Remove half-written files of writers that were killed; those under ``parts/`` go with it."""
    for name in folder.walk():
        if TEMPORARY in name:
            folder.remove(name)
