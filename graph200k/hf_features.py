"""Hugging Face features of the shards, so that ``datasets`` reads records whose members differ.

Its WebDataset reader infers features from the first samples and refuses any that has other members; with explicit
features, a member that a record lacks becomes None.
"""

from __future__ import annotations

import types
import typing
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel

from graph200k.catalogue import GRAPH200K, Catalogue
from graph200k.manifest import read_manifest
from graph200k.record import JSON_NODE, RecordInfo, member_name, member_order
from graph200k.storage import Folder

_DTYPES = {str: "string", int: "int64", float: "float64", bool: "bool"}


def features(data: str) -> Any:
    """Return the ``datasets.Features`` of the dataset at ``data`` (a path or fsspec URL).

    Use it as ``load_dataset("webdataset", data_files=..., features=features(data))``.

    Raises
    ------
    DatasetError
        If there is no dataset.
    """
    from datasets import Features

    return Features.from_dict(read_manifest(Folder(data)).features)


def feature_spec(members: Iterable[tuple[str, int | None, str]], catalogue: Catalogue = GRAPH200K) -> dict[str, Any]:
    """Return the features, as JSON, of samples that may have these members (node, variant, role).

    Examples
    --------
    >>> feature_spec([("canny", None, "")])["canny.png"]
    {'_type': 'Image'}
    """
    string = {"dtype": "string", "_type": "Value"}
    spec: dict[str, Any] = {"__key__": string, "__url__": string}
    for node, variant, role in sorted(
        set(members), key=lambda found: member_order(found[0], found[1], found[2], catalogue)
    ):
        extension = member_name("", node, variant, role, catalogue)
        spec[extension] = _spec(RecordInfo) if node == JSON_NODE else {"_type": "Image"}
    return spec


def _spec(annotation: Any) -> dict[str, Any]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return {name: _spec(field.annotation) for name, field in annotation.model_fields.items()}
    if typing.get_origin(annotation) is list:
        return {"feature": _spec(typing.get_args(annotation)[0]), "_type": "List"}
    if typing.get_origin(annotation) is types.UnionType:
        return _spec(next(kind for kind in typing.get_args(annotation) if kind is not types.NoneType))
    return {"dtype": _DTYPES[annotation], "_type": "Value"}
