"""What annotators with a model from the Hub share: which model, how it goes into provenance, how it is loaded."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

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
    """Base of annotators that run models of :data:`annotators.models.MODELS`.

    Id and revision of a model are in the fingerprint: another revision makes earlier outputs stale. A folder of the
    user's counts as another model, known by its content; moving it changes nothing, and its path leaves no trace.
    """

    pretrained: ClassVar[str]
    """Name of the model."""
    companions: ClassVar[tuple[str, ...]] = ()
    """Names of further models that it takes beside it."""

    local: LocalModel | None = field(default=None, metadata={"parameter": False})
    """Folder that takes the model's place."""
    local_companions: tuple[LocalModel, ...] = field(default=(), metadata={"parameter": False})
    """Folders that take the place of further models."""
    compiled: bool = field(default=False, metadata={"parameter": False})
    """Whether torch compiles the network, on GPUs, where that can be done; see :func:`settled`."""

    @classmethod
    def model_names(cls) -> tuple[str, ...]:
        """Return the names of all models that it may load."""
        return (cls.pretrained, *cls.companions)

    @property
    def models_used(self) -> tuple[str, ...]:
        """Return the names of the models that it loads with its parameters."""
        return self.model_names()

    @property
    def model(self) -> str:
        """Return each model's id on the Hub, ``local:`` and the name of the user's folder, or ``tiny:`` and its name.

        Several are joined with " + ".
        """
        return " + ".join(map(self._model_id, self.models_used))

    @property
    def revision(self) -> str:
        """Return each model's revision, or the start of the hash of the user's folder; several are joined with "+"."""
        return "+".join(map(self._revision, self.models_used))

    @property
    def weights_identity(self) -> str:
        """Return id and revision, or the hash of the user's folder, of each model."""
        return " ".join(map(self._identity, self.models_used))

    @property
    def needs(self) -> Resources:
        """Return the resources of its class; tiny models take little beside the libraries."""
        if all((local := self.local_model_of(name)) is not None and local.tiny for name in self.models_used):
            return replace(self.resources, cheap=True, memory_mb=_TINY_MB)
        return self.resources

    def folder(self, name: str = "") -> Path:
        """Return the folder with a model's files, fetched or made if need be; see :mod:`annotators.models`.

        The model is its own, or one of its companions by ``name``.
        """
        local = self.local_model_of(name or self.pretrained)
        if local is not None and local.tiny:
            make_tiny_model(local.name, local.folder)
        return resolve(name or self.pretrained, local)

    def fetch(self) -> None:
        """Bring the files of all its models onto this machine."""
        for name in self.models_used:
            self.folder(name)

    def local_model_of(self, name: str) -> LocalModel | None:
        """Return the folder that takes the place of one of its models, None if none does."""
        if name == self.pretrained:
            return self.local
        return next((local for local in self.local_companions if local.name == name), None)

    def _model_id(self, name: str) -> str:
        local = self.local_model_of(name)
        return MODELS[name].id if local is None else f"{'tiny' if local.tiny else 'local'}:{local.folder.name}"

    def _revision(self, name: str) -> str:
        local = self.local_model_of(name)
        return MODELS[name].revision if local is None else local.digest[:12]

    def _identity(self, name: str) -> str:
        local = self.local_model_of(name)
        return f"{MODELS[name].id}@{MODELS[name].revision}" if local is None else local.digest


def placement() -> tuple[torch.device, torch.dtype]:
    """Return where models run and in which precision: fp16 on a GPU, fp32 on a CPU.

    Not bf16: its 8 bits of mantissa would show as bands in 8-bit maps of depth and normals.
    """
    import torch

    return (torch.device("cuda"), torch.float16) if torch.cuda.is_available() else (torch.device("cpu"), torch.float32)


def bfloat16_placement() -> tuple[torch.device, torch.dtype]:
    """Return where generators and language models run: bf16 on a GPU, for T5, SDXL's VAE and Qwen overflow in fp16."""
    import torch

    device, _ = placement()
    return device, torch.bfloat16 if device.type == "cuda" else torch.float32


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
    if not compiled or device.type != "cuda":
        return model
    return cast("torch.nn.Module", torch.compile(model))  # of a module it is one; torch only says it can be called


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
