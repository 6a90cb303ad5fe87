"""What annotators with a model from the Hub share: which model, how it goes into provenance, how it is loaded."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from annotators.base import Annotator, Resources
from annotators.batching import BatchFunction, BatchRun, is_out_of_memory
from annotators.models import MODELS, LocalModel, resolve
from annotators.tiny.base import make_tiny_model
from graph200k.errors import MissingWeightsError, PlanError

if TYPE_CHECKING:
    import torch

_TINY_MB = 250
"""Resident memory a tiny model, its share of the libraries included."""


@dataclass(frozen=True, kw_only=True)
class PretrainedAnnotator(Annotator):
    """Base of annotators that run one model of :data:`annotators.models.MODELS`.

    Id and revision of the model are in the fingerprint: another revision makes earlier outputs stale. A folder of the
    user's counts as another model, known by its content; moving it changes nothing, and its path leaves no trace.
    """

    pretrained: ClassVar[str]
    """Name of the model."""

    local: LocalModel | None = field(default=None, metadata={"parameter": False})
    """Folder that takes the model's place."""
    compiled: bool = field(default=False, metadata={"parameter": False})
    """Whether torch compiles the network, on GPUs, where that can be done; see :func:`settled`."""

    @property
    def model(self) -> str:
        """Return the model's id on the Hub, ``local:`` and the name of the user's folder, or ``tiny:`` and its name."""
        if self.local is None:
            return MODELS[self.pretrained].id
        return f"{'tiny' if self.local.tiny else 'local'}:{self.local.folder.name}"

    @property
    def revision(self) -> str:
        """Return the model's revision, or the first 12 hex digits of the hash of the user's folder."""
        return MODELS[self.pretrained].revision if self.local is None else self.local.digest[:12]

    @property
    def weights_identity(self) -> str:
        """Return id and revision, or the hash of the user's folder."""
        return f"{self.model}@{self.revision}" if self.local is None else self.local.digest

    @property
    def needs(self) -> Resources:
        """Return the resources of its class; a tiny model takes little beside the libraries."""
        own = self.resources
        return own if self.local is None or not self.local.tiny else replace(own, cheap=True, memory_mb=_TINY_MB)

    def folder(self) -> Path:
        """Return the folder with the model's files, fetched or made if need be; see :mod:`annotators.models`."""
        if self.local is not None and self.local.tiny:
            make_tiny_model(self.pretrained, self.local.folder)
        return resolve(self.pretrained, self.local)


def placement() -> tuple[torch.device, torch.dtype]:
    """Return where models run and in which precision: fp16 on a GPU, fp32 on a CPU.

    Not bf16: its 8 bits of mantissa would show as bands in 8-bit maps of depth and normals.
    """
    import torch

    return (torch.device("cuda"), torch.float16) if torch.cuda.is_available() else (torch.device("cpu"), torch.float32)


def batched(run: BatchRun, size: int) -> BatchFunction:
    """Return an annotate function that takes up to ``size`` records at once on a GPU, and one on a CPU.

    A CPU gains nothing from batches, and what comes out would depend, in its last bits, on who is in one with whom.
    """
    return BatchFunction(run, size if placement()[0].type == "cuda" else 1)


def settled(model: torch.nn.Module, *, compiled: bool) -> torch.nn.Module:
    """Return a model where models run, ready to run; ``compiled`` by torch.compile if that is a GPU.

    Compiling takes minutes and pays off after some thousand pictures. It changes what comes out no more than another
    GPU would, so it is no parameter; on a CPU, whose outputs are the same everywhere, it is left undone.
    """
    import torch

    device, _ = placement()
    model = model.to(device).eval()
    return torch.compile(model) if compiled and device.type == "cuda" else model


@contextmanager
def loading(name: str, folder: Path) -> Iterator[None]:
    """Turn whatever libraries raise over a damaged or foreign checkpoint into one error that names it.

    Raises
    ------
    MissingWeightsError
        For files that are missing, damaged, or of another network.
    PlanError
        For a library that is not installed.
    """
    try:
        from safetensors import SafetensorError

        yield
    except ImportError as error:
        raise PlanError(
            f"{MODELS[name].id} needs a library that is missing ({error}); install graph200k[paper]"
        ) from error
    except (
        OSError, EOFError, KeyError, TypeError, ValueError, RuntimeError, pickle.UnpicklingError, SafetensorError
    ) as error:  # fmt: skip
        if is_out_of_memory(error):  # a RuntimeError of torch's that has its own class of failure
            raise
        cause = " ".join(str(error).split())[:300] or type(error).__name__
        raise unreadable(name, folder, cause) from error


def check_complete(name: str, folder: Path, info: dict[str, Any]) -> None:
    """Raise if a model came out with random weights in places where ``from_pretrained`` found none in the file.

    Parameters
    ----------
    name
        The model's name.
    folder
        Where it was loaded from.
    info
        What ``from_pretrained(…, output_loading_info=True)`` returns beside the model.

    Raises
    ------
    MissingWeightsError
        If weights are missing, or have another shape.
    """
    lost = sorted(map(str, info["missing_keys"])) + sorted(map(str, info["mismatched_keys"]))
    if lost:
        raise unreadable(name, folder, f"{len(lost)} of its weights are not in the file, such as {lost[0]}")


def unreadable(name: str, folder: Path, cause: str) -> MissingWeightsError:
    """Return the error for a checkpoint that cannot be used."""
    model = MODELS[name]
    return MissingWeightsError(
        f"{folder} cannot be read as {model.id} ({cause}); expected {', '.join(model.files)}, whole; "
        f"delete the folder to fetch it anew ({model.page}), or name another: --model {name}=PATH"
    )
