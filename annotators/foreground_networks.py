"""The matte by the large networks that rembg runs: RMBG-2.0, as the paper has it, and BiRefNet, which it grew from.

P. Zheng et al., "Bilateral Reference for High-Resolution Dichotomous Image Segmentation", 2024. Both look at 1024×1024
pixels of every image. On a GPU they need onnxruntime-gpu in the place of onnxruntime; without it they run on the CPU.
Some files take one picture at a time, some several.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, RecordView, Resources
from annotators.batching import BatchFunction
from annotators.foreground import foreground_matte, open_session
from annotators.pretrained import PretrainedAnnotator, loading, unreadable
from annotators.together import ask_together

if TYPE_CHECKING:
    from onnxruntime import InferenceSession
    from rembg.sessions.base import BaseSession

_FILE = Path("onnx", "model.onnx")
"""Where both repositories have it."""
_AT_ONCE = 2
"""Pictures that a GPU takes together: 4 GB each."""

_LACKS_MEMORY = ("Failed to allocate memory", "out of memory")
"""What ONNX Runtime's errors say then: its allocator's, and CUDA's own."""

_Feed: TypeAlias = dict[str, np.ndarray]
"""What an ONNX network is asked, by input."""


@dataclass(frozen=True, kw_only=True)
class _ForegroundNetwork(PretrainedAnnotator):
    """The matte by one of rembg's networks."""

    produces = ("foreground",)
    resources = Resources(gpus=0.1, memory_mb=6000, time_limit_s=600.0)

    session: ClassVar[str]
    """rembg's name of the network: what it does before and after differs."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that makes mattes."""
        session = load_session(self.pretrained, self.session, self.folder())

        def annotate(views: Sequence[RecordView], rngs: Sequence[np.random.Generator]) -> list[list[Annotation]]:
            mattes = foreground_mattes([view["target"] for view in views], session)
            return [[Annotation("foreground", matte, role="matte")] for matte in mattes]

        return BatchFunction(annotate, pictures_at_once(session.inner_session))


@ANNOTATORS.register("foreground_rmbg")
@dataclass(frozen=True, kw_only=True)
class ForegroundRmbg(_ForegroundNetwork):
    """The matte by RMBG-2.0."""

    name = "foreground_rmbg"
    pretrained = "rmbg"
    session = "bria-rmbg"


@ANNOTATORS.register("foreground_birefnet")
@dataclass(frozen=True, kw_only=True)
class ForegroundBirefnet(_ForegroundNetwork):
    """The matte by BiRefNet, free for all uses."""

    name = "foreground_birefnet"
    pretrained = "birefnet"
    session = "birefnet-general"


def load_session(name: str, network: str, folder: Path) -> BaseSession:
    """Return a rembg session on the one ONNX file in a folder, on the GPU if ONNX Runtime has one.

    Parameters
    ----------
    name
        The model's name in the table.
    network
        rembg's name of the network.
    folder
        A snapshot of its repository, or any folder with one ONNX file, such as rembg's own of that network.

    Raises
    ------
    MissingWeightsError
        If there is no ONNX file or more than one, or it is damaged.
    """
    found = [folder / _FILE] if (folder / _FILE).is_file() else sorted(folder.rglob("*.onnx"))
    if len(found) != 1:
        raise unreadable(name, folder, f"{len(found)} ONNX files")
    with loading(name, folder):
        from onnxruntime import get_available_providers
        from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

        wanted = ("CUDAExecutionProvider", "CPUExecutionProvider")
        providers = [provider for provider in wanted if provider in get_available_providers()]
        try:
            return open_session(network, found[0], providers)
        except (onnx_errors.InvalidProtobuf, onnx_errors.InvalidGraph, onnx_errors.Fail) as error:
            raise ValueError(str(error)) from error  # ONNX Runtime's have no common base but Exception


def pictures_at_once(network: InferenceSession) -> int:
    """Return how many pictures the network takes together: one on a CPU, or where its file fixes the number."""
    takes_several = not isinstance(network.get_inputs()[0].shape[0], int)
    return _AT_ONCE if takes_several and "CUDAExecutionProvider" in network.get_providers() else 1


def foreground_mattes(images: Sequence[np.ndarray], session: BaseSession) -> list[np.ndarray]:
    """Return the mattes (uint8, H×W, 255 is foreground) of RGB images (uint8, H×W×3), which the network sees together.

    Raises
    ------
    MemoryError
        If memory, a GPU's or the machine's, does not suffice for so many.
    """

    def matte(prepared: tuple[np.ndarray, BaseSession], ask: Callable[[_Feed], list[np.ndarray]]) -> np.ndarray:
        image, asking = prepared
        asking.inner_session = _Asking(session.inner_session, ask)
        return foreground_matte(image, asking)

    def answer(feeds: Sequence[_Feed]) -> list[list[np.ndarray]]:
        stack = {name: np.concatenate([feed[name] for feed in feeds]) for name in feeds[0]}
        outputs = _run(session.inner_session, stack)
        return [[output[n : n + 1] for output in outputs] for n in range(len(feeds))]

    return ask_together(matte, [(image, _preparing_once(session)) for image in images], answer)


class _Asking:
    """What rembg takes for its ONNX session."""

    def __init__(self, network: InferenceSession, ask: Callable[[_Feed], list[np.ndarray]]) -> None:
        self.get_inputs = network.get_inputs
        self._ask = ask

    def run(self, outputs: None, feed: _Feed) -> list[np.ndarray]:
        """Return the answer."""
        return self._ask(feed)


def _preparing_once(session: BaseSession) -> BaseSession:
    """Return the session for one picture, whose preparation, which takes as long as a GPU's answer, it keeps."""
    prepared: list[_Feed] = []

    def normalize(*picture: Any) -> _Feed:
        if not prepared:
            prepared.append(session.normalize(*picture))
        return prepared[0]

    once = copy.copy(session)
    once.normalize = normalize
    return once


def _run(network: InferenceSession, feed: _Feed) -> list[np.ndarray]:
    """Return what the network answers, lack of memory told from its other errors as it is elsewhere."""
    from onnxruntime.capi import onnxruntime_pybind11_state as onnx_errors

    try:
        return network.run(None, feed)
    except (onnx_errors.RuntimeException, onnx_errors.Fail) as error:
        if any(words in str(error) for words in _LACKS_MEMORY):
            raise MemoryError(str(error)) from error
        raise
