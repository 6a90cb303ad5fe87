"""Models on the Hugging Face Hub: which there are (``models.toml``), and where on this machine their files lie.

A model is loaded from a folder in every case: a snapshot that the Hub's client keeps in its own cache, or a folder of
the user's that takes its place. So there is one way to load, and tests go it with tiny models.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path

from annotators.weights import file_sha256
from graph200k.errors import MissingWeightsError, UnknownNameError
from graph200k.hub import fetch

_HUB = "https://huggingface.co"


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelId:
    """One model of the table."""

    name: str
    """Name it is asked for by, as in ``--model NAME=PATH``."""
    id: str
    """Repository on the Hub."""
    revision: str
    """Commit, or a branch where none is pinned."""
    licence: str
    """What its authors allow, in their words or as an SPDX identifier."""
    gated: bool
    """Whether the Hub asks for a login and an accepted licence."""
    size_gb: float
    """Size of the files loaded, in 10⁹ bytes."""
    files: tuple[str, ...]
    """Patterns of the files that are fetched."""

    @property
    def page(self) -> str:
        """Return the address of its page, where its licence is read and accepted."""
        return f"{_HUB}/{self.id}"

    @property
    def pinned(self) -> bool:
        """Return whether the revision is a commit, which cannot change."""
        return len(self.revision) == 40 and set(self.revision) <= set("0123456789abcdef")


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A folder that takes the place of a model of the table.

    It may hold the very checkpoint of the table or any other; nobody can tell by its name. So what identifies it is its
    content: the same files under another path are the same model, other files under the same path another one.
    """

    name: str
    """The model whose place it takes."""
    folder: Path
    """Where it lies, on every machine that loads it. It says nothing about the pixels and goes into no provenance."""
    digest: str
    """Hash of the names and contents of its files, in hex."""
    tiny: bool = False
    """Whether it is a tiny model with random weights, which a machine that lacks it makes
    (:mod:`annotators.tiny`)."""


def read_models() -> dict[str, ModelId]:
    """Return the models of the table by name.

    Examples
    --------
    >>> read_models()["depth"].id
    'depth-anything/Depth-Anything-V2-Large-hf'
    """
    tables = tomllib.loads(resources.files("annotators").joinpath("models.toml").read_text(encoding="utf-8"))
    return {name: ModelId(name=name, **(table | {"files": tuple(table["files"])})) for name, table in tables.items()}


MODELS: Mapping[str, ModelId] = read_models()
"""Every model that an annotator loads from the Hub, by name."""


def local_model(name: str, folder: Path, *, tiny: bool = False) -> LocalModel:
    """Return the model in ``folder``, which takes the place of the one called ``name``.

    All its files are read once, about 1 s a GB.

    Raises
    ------
    UnknownNameError
        If there is no model of that name.
    MissingWeightsError
        If the folder is missing or empty.
    """
    model = _model(name)
    files = sorted(path for path in folder.rglob("*") if path.is_file()) if folder.is_dir() else []
    if not files:
        found = "holds no file" if folder.is_dir() else "is not a folder"
        raise MissingWeightsError(
            f"--model {name}={folder} {found}; expected the files of {model.id} or of another checkpoint of its kind "
            f"({', '.join(model.files)})"
        )
    digest = hashlib.sha256()
    for path in files:
        digest.update(f"{path.relative_to(folder).as_posix()}\0{file_sha256(path)}\n".encode())
    return LocalModel(name, folder, digest.hexdigest(), tiny)


def resolve(name: str, local: LocalModel | None = None) -> Path:
    """Return the folder with the files of a model, fetched into the Hub's cache if it is not there yet.

    Parameters
    ----------
    name
        Key of :data:`MODELS`.
    local
        The folder to use in its place; then nothing is fetched.

    Raises
    ------
    MissingWeightsError
        If the files are not here and cannot be had: no network (or ``HF_HUB_OFFLINE=1``), no such revision, or a gated
        model without login. The message names the model, its licence page and the option that points at a copy.
    """
    if local is not None:
        if not local.folder.is_dir():
            raise MissingWeightsError(f"{local.folder} is not a folder on this machine; expected {name}'s files there")
        return local.folder
    model = _model(name)
    accept = f"accept the licence ({model.licence}) at {model.page} and log in with `hf auth login`"
    get = accept if model.gated else f"run once with a network (licence {model.licence}, {model.page})"
    expected = f"expected {model.size_gb:g} GB ({', '.join(model.files)})"
    advice = f"{expected}; {get}, or name a folder that holds them: --model {model.name}=PATH"
    return fetch(model.id, model.revision, model.files, advice)


def find_model(name: str) -> Path | None:
    """Return the folder of a model in the Hub's cache, None if it has no file of it; reaches nowhere."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import LocalEntryNotFoundError

    model = _model(name)
    try:
        folder = snapshot_download(
            model.id, revision=model.revision, allow_patterns=list(model.files), local_files_only=True
        )
    except LocalEntryNotFoundError:
        return None
    # The cache has a folder a revision, shared by all models of a repository: this one's files may not be in it.
    found = Path(folder)
    return found if all(any(found.glob(pattern)) for pattern in model.files if "*" not in pattern) else None


def _model(name: str) -> ModelId:
    try:
        return MODELS[name]
    except KeyError:
        raise UnknownNameError("model", name, MODELS) from None
