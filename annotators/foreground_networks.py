"""The matte by the large networks that rembg runs: RMBG-2.0, as the paper has it, and BiRefNet, which it grew from.

P. Zheng et al., "Bilateral Reference for High-Resolution Dichotomous Image Segmentation", 2024. Both look at 1024×1024
pixels of every image. On a GPU they need onnxruntime-gpu in the place of onnxruntime; without it they run on the CPU.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, Resources
from annotators.foreground import foreground_matte, open_session
from annotators.pretrained import PretrainedAnnotator, loading, unreadable

if TYPE_CHECKING:
    from rembg.sessions.base import BaseSession

_FILE = Path("onnx", "model.onnx")
"""Where both repositories have it."""


@dataclass(frozen=True, kw_only=True)
class _ForegroundNetwork(PretrainedAnnotator):
    """The matte by one of rembg's networks."""

    produces = ("foreground",)
    resources = Resources(gpus=0.05, memory_mb=6000, time_limit_s=600.0)

    session: ClassVar[str]
    """rembg's name of the network: what it does before and after differs."""

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that makes mattes."""
        session = load_session(self.pretrained, self.session, self.folder())

        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            return [Annotation("foreground", foreground_matte(images["target"], session), role="matte")]

        return annotate


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
