"""Deciding what each item of a source is: new, known, a copy, a conflict, or refused."""

from __future__ import annotations

import logging
from collections.abc import Iterator

from graph200k.commit import list_shards
from graph200k.errors import SourceError
from graph200k.failures import read_failures
from graph200k.manifest import Manifest
from graph200k.parts import PARTS, list_parts
from graph200k.records import read_records
from graph200k.shards import shard_number
from graph200k.storage import Folder
from pipelines.ingest.failure import ANNOTATOR, DECIDED_IN_PLAN, content_fingerprint, place_digest
from pipelines.ingest.options import IngestReport
from pipelines.ingest.plan import PlannedItem
from pipelines.ingest.source import RefusedItem, Source, SourceItem

logger = logging.getLogger(__name__)


def first_free_shard(folder: Folder, manifest: Manifest) -> int:
    """Return the number after the last shard, those included whose items all failed."""
    after_sources = [source.first_shard + source.shards for source in manifest.sources]
    return max([0, *after_sources, *(number + 1 for number in list_shards(folder))])


def remove_parts_from(folder: Folder, first: int) -> None:
    """Remove parts of shards from ``first`` on: left by a plan that somebody gave up, they would pass for ours."""
    for path in list_parts(folder):
        if shard_number(path.removeprefix(f"{PARTS}/").split("/")[1]) >= first:
            folder.remove(path)


class Planner:
    """Compare a source with what the dataset holds, item by item.

    Parameters
    ----------
    folder
        The dataset, with its tables up to date.
    source
        The source.
    dedup
        Whether exact copies are left out.
    report
        Counts what is known already, and copies.

    Notes
    -----
    Takes about 200 bytes a record of the dataset and of the source.
    """

    def __init__(self, folder: Folder, source: Source, *, dedup: bool, report: IngestReport) -> None:
        self._source = source
        self._dedup = dedup
        self._report = report
        self._place = place_digest(source.location.absolute)
        records = read_records(folder)
        keys, hashes = records.column("key").to_pylist(), records.column("source_hash").to_pylist()
        self._hash_of: dict[str, bytes] = dict(zip(keys, hashes, strict=True))
        self._key_of: dict[bytes, str] = dict(zip(hashes, keys, strict=True))
        self._fresh: set[str] = set()
        on_file = [failure for failure in read_failures(folder) if failure.annotator == ANNOTATOR]
        self._place_of = {failure.key: failure.fingerprint.partition("-")[0] for failure in on_file}
        self._failed = {(failure.key, failure.fingerprint.partition("-")[2]): failure.error for failure in on_file}

    def items(self, shard_size: int) -> Iterator[PlannedItem]:
        """Yield what is new in the source, in its order.

        Raises
        ------
        SourceError
            If it holds nothing of its kind at all.
        """
        count = seen = 0
        for seen, found in enumerate(self._source.scan(), 1):  # noqa: B007
            planned = self._judge(found, count % shard_size)
            if planned is not None:
                count += 1
                yield planned
        self._report.ignored = self._source.ignored
        spec, examples = self._source.location.spec, ", ".join(self._source.ignored_examples) or "no files at all"
        if not seen:
            raise SourceError(
                f"{spec} holds nothing of the kind {self._source.kind!r} (found: {examples}); "
                "check the path, or name another --kind"
            )
        if self._source.ignored:
            logger.info("%d files of %s are no part of such a source: %s …", self._source.ignored, spec, examples)

    def _judge(self, found: SourceItem | RefusedItem, ordinal: int) -> PlannedItem | None:
        verdict: SourceItem | RefusedItem | None = found
        if isinstance(found, SourceItem):
            verdict = self._compare(found)
        if verdict is None:
            self._report.already_present += 1
            return None
        message = verdict.message if isinstance(verdict, RefusedItem) else ""
        content = content_fingerprint(verdict.sha256, message, self._source.limits)
        label = self._label(found.name)
        error = self._failed.get((label, content)) or self._failed.get((found.name, content))
        if error is not None and self._still_holds(error, verdict):
            self._report.already_failed += 1
            return None
        fingerprint = f"{self._place}-{content}"
        if isinstance(verdict, RefusedItem):
            return PlannedItem(
                ordinal=ordinal,
                label=label,
                fingerprint=fingerprint,
                name=verdict.name,
                error=verdict.error,
                message=verdict.message,
            )
        self._remember(verdict)
        return PlannedItem(
            ordinal=ordinal,
            label=label,
            fingerprint=fingerprint,
            name=verdict.name,
            key=verdict.key,
            sha256=verdict.sha256,
            locator=verdict.locator,
        )

    def _compare(self, found: SourceItem) -> SourceItem | RefusedItem | None:
        """Return the item itself if it is new, None if it is there already, or why it must stay out."""
        digest = _digest(found)
        known = self._hash_of.get(found.key)
        if known == digest and found.key not in self._fresh:
            return None
        copy_of = self._key_of.get(digest)
        if known is not None and known != digest:
            return _refuse(
                found,
                "conflict",
                f"key {found.key!r} is already present with other content; rename it in "
                "the source, or ingest it into another dataset",
            )
        if copy_of is None:
            return found
        self._report.duplicates += 1
        if self._dedup or known is not None:
            self._report.dropped_duplicates += 1
            return _refuse(found, "duplicate", f"same bytes as {copy_of!r}")
        return found

    def _remember(self, item: SourceItem) -> None:
        digest = _digest(item)
        self._hash_of[item.key] = digest
        self._key_of.setdefault(digest, item.key)
        self._fresh.add(item.key)

    def _label(self, name: str) -> str:
        """Return ``name``, or a longer one if another source already has a failure on file under it."""
        if self._place_of.get(name, self._place) == self._place:
            return name
        return f"{self._source.location.spec.rstrip('/')}/{name}"

    @staticmethod
    def _still_holds(error: str, verdict: SourceItem | RefusedItem) -> bool:
        if isinstance(verdict, RefusedItem):
            return verdict.error == error
        return error not in DECIDED_IN_PLAN


def _digest(item: SourceItem) -> bytes:
    return bytes.fromhex(item.sha256[:32])


def _refuse(item: SourceItem, error: str, message: str) -> RefusedItem:
    return RefusedItem(name=item.name, error=error, message=message, sha256=item.sha256)
