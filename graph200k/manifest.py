"""``dataset.json``: what a dataset is, for people and for programs that have never seen this library."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict

from graph200k.catalogue import GRAPH200K, Catalogue
from graph200k.catalogues import catalogue_names, find_catalogue
from graph200k.codecs import parse_json
from graph200k.errors import DatasetError, UnknownNameError, UnsafeInputError
from graph200k.schema import schema_graph, to_node_link
from graph200k.settings_errors import explain
from graph200k.storage import Folder

MANIFEST = "dataset.json"
SCHEMA_VERSION = 1
DEFAULT_SHARD_SIZE = 1000
"""Source records a shard."""


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Source(_Part):
    """One source that was ingested, and the shards that hold it."""

    location: str
    kind: str
    first_shard: int
    shards: int
    items: int
    """Source records, those that failed included."""


class AnnotatorUsed(_Part):
    """An annotator whose outputs the dataset holds."""

    name: str
    fingerprint: str
    model: str
    revision: str
    parameters: str
    """Parameters as a JSON string."""


class Manifest(_Part):
    """Content of ``dataset.json``."""

    schema_version: int = SCHEMA_VERSION
    catalogue: str = GRAPH200K.name
    """Name of its node types: one of :func:`graph200k.catalogues.catalogue_names`."""
    shard_size: int = DEFAULT_SHARD_SIZE
    sources: tuple[Source, ...] = ()
    presets: tuple[str, ...] = ()
    """Presets used so far; the pictures of ``smoke`` mean nothing."""
    annotators: tuple[AnnotatorUsed, ...] = ()
    features: dict[str, Any] = {}
    """Hugging Face features of the shards as WebDataset samples."""
    graph: dict[str, Any] = {}
    """Schema graph as node-link JSON."""

    def updated(self, **changes: Any) -> Manifest:
        """Return a copy with these fields replaced."""
        return self.model_copy(update=changes)


def new_manifest(shard_size: int, catalogue: Catalogue = GRAPH200K) -> Manifest:
    """Return the manifest of an empty dataset."""
    return Manifest(shard_size=shard_size, catalogue=catalogue.name, graph=to_node_link(schema_graph(catalogue)))


def read_manifest(folder: Folder) -> Manifest:
    """Return the manifest of a dataset.

    Raises
    ------
    DatasetError
        If the folder holds no dataset, one of a later schema version, or one of unknown node types.
    """
    if not folder.exists(MANIFEST):
        raise DatasetError(
            f"{folder.shown()} is not a dataset (it has no {MANIFEST}); "
            "make one with `graph200k ingest SOURCE --out DIR`"
        )
    try:
        data = parse_json(folder.read(MANIFEST))
    except UnsafeInputError as error:
        raise DatasetError(f"{folder.shown(MANIFEST)} is damaged: {error}") from None
    version = data.get("schema_version") if isinstance(data, dict) else None
    if version != SCHEMA_VERSION:
        raise DatasetError(
            f"{folder.shown(MANIFEST)} has schema version {version}; this release reads "
            f"{SCHEMA_VERSION}; install the release that wrote it"
        )
    try:
        manifest = Manifest.model_validate(data)
    except ValueError as error:
        raise DatasetError(f"{folder.shown(MANIFEST)} is damaged: {explain(error, Manifest, 'field')[:200]}") from None
    try:
        find_catalogue(manifest.catalogue)
    except UnknownNameError:
        raise DatasetError(
            f"{folder.shown(MANIFEST)} names the catalogue {manifest.catalogue!r}, whose node types this release does "
            f"not know; it knows {', '.join(catalogue_names())}; install the release that wrote it, or add the module "
            f"graph200k/catalogues/{manifest.catalogue}.py"
        ) from None
    return manifest


def write_manifest(folder: Folder, manifest: Manifest) -> None:
    """Replace ``dataset.json``, if it changes."""
    data = (manifest.model_dump_json(indent=1) + "\n").encode()
    if not folder.exists(MANIFEST) or folder.read(MANIFEST) != data:
        folder.write(MANIFEST, data)
