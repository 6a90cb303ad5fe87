"""The matte of the subject: how much of each pixel belongs to the foreground, by a network that rembg runs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from annotators.base import ANNOTATORS, AnnotateFunction, Annotation, Annotator, Resources
from annotators.weights import load_path

if TYPE_CHECKING:
    from rembg.sessions.base import BaseSession


@ANNOTATORS.register("foreground")
@dataclass(frozen=True, kw_only=True)
class Foreground(Annotator):
    """The matte by U²-Net-p, which looks at 320×320 pixels of every image; RMBG-2.0 in the preset `paper`."""

    name = "foreground"
    produces = ("foreground",)
    weights = ("u2netp",)
    resources = Resources(memory_mb=1000, time_limit_s=120.0)

    def load(self, weights_folder: Path) -> AnnotateFunction:
        """Return the function that makes mattes."""
        session = open_session("u2netp", load_path("u2netp", weights_folder))

        def annotate(images: Mapping[str, np.ndarray], rng: np.random.Generator) -> list[Annotation]:
            return [Annotation("foreground", foreground_matte(images["target"], session), role="matte")]

        return annotate


def open_session(model: str, path: Path, providers: Sequence[str] = ("CPUExecutionProvider",)) -> BaseSession:
    """Return a rembg session on the model file at ``path``, on one CPU thread or a GPU.

    rembg finds its files through environment variables and downloads what it does not find. A session class that
    answers with a path does neither. The first import of rembg on a machine compiles for about 45 s (numba); later ones
    take 1.5 s.

    Parameters
    ----------
    model
        rembg's name of the model.
    path
        The ONNX file.
    providers
        What of ONNX Runtime may run it, the best first.
    """
    import onnxruntime
    from rembg.sessions import sessions

    local = type(
        f"Local{sessions[model].__name__}", (sessions[model],), {"download_models": lambda *_, **__: str(path)}
    )
    options = onnxruntime.SessionOptions()
    # One fixed thread count, for the last bits of what comes out depend on it; 0 would mean all cores.
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return local(model, options, providers=list(providers))


def foreground_matte(image: np.ndarray, session: BaseSession) -> np.ndarray:
    """Return the matte (uint8, H×W, 255 is foreground) of an RGB image (uint8, H×W×3)."""
    (mask,) = session.predict(Image.fromarray(image))
    return np.array(mask, dtype=np.uint8)
