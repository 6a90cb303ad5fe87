"""Tiny models: which there are, where they lie, how one is made once for all who want it."""

from __future__ import annotations

import functools
import hashlib
import importlib.metadata
import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import ParamSpec, TypeAlias

from annotators.models import LocalModel, local_model
from graph200k.registry import Registry

SaveModel: TypeAlias = Callable[[Path], Path]
"""Write a model into a folder as ``from_pretrained`` reads it, and return the folder."""

P = ParamSpec("P")

TINY_MODELS: Registry[SaveModel] = Registry("tiny model", package="annotators.tiny")
"""The function that makes each tiny model, under the name of the model whose place it takes."""

_LIBRARIES = ("torch", "transformers", "diffusers", "controlnet-aux", "onnx")
"""Those whose release shows in the files."""


def tiny_model(name: str, cache: Path) -> LocalModel:
    """Return the tiny model that takes the place of the one called ``name``, made if it is not in ``cache`` yet.

    Parameters
    ----------
    name
        Key of :data:`TINY_MODELS`.
    cache
        Folder of weight files. The model lies in a folder named for all that its bytes depend on: what this package
        says, and the releases of the libraries.
    """
    folder = cache / "tiny" / _edition() / name
    make_tiny_model(name, folder)
    return local_model(name, folder, tiny=True)


def make_tiny_model(name: str, folder: Path) -> None:
    """Make a tiny model in ``folder`` if nothing is there: always the same bytes, all at once.

    Those who make it at the same time make the same; the first is kept.
    """
    save = TINY_MODELS[name]
    if folder.is_dir():
        return
    folder.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".making-", dir=folder.parent) as temporary:
        made = save(Path(temporary, "model"))
        try:
            os.rename(made, folder)
        except OSError:
            if not folder.is_dir():
                raise


def seeded(save: Callable[P, Path]) -> Callable[P, Path]:
    """Return a function that draws the same weights on every call, quietly, and leaves torch's generator alone."""

    @functools.wraps(save)
    def save_seeded(*args: P.args, **kwargs: P.kwargs) -> Path:
        import torch

        with torch.random.fork_rng(devices=()), _no_progress_bars():
            torch.manual_seed(0)
            return save(*args, **kwargs)

    return save_seeded


@contextmanager
def _no_progress_bars() -> Iterator[None]:
    from transformers.utils import logging

    shown = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            logging.enable_progress_bar()


def _edition() -> str:
    """Return 12 hex digits that change when a tiny model may."""
    found = hashlib.sha256()
    modules = (entry for entry in resources.files("annotators.tiny").iterdir() if entry.name.endswith(".py"))
    for module in sorted(modules, key=lambda entry: entry.name):
        found.update(module.read_bytes())
    for library in _LIBRARIES:
        found.update(_release(library).encode())
    return found.hexdigest()[:12]


def _release(library: str) -> str:
    try:
        return importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        return ""
