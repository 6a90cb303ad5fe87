"""Networks for mattes in a few hundred bytes: one convolution of one pixel, in ONNX, written by hand.

The package that writes ONNX is 15 MB, for a format that three kinds of field make up.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from annotators.tiny.base import TINY_MODELS

_SIDE = 1024
_FLOAT, _LIST_OF_INTEGERS = 1, 7
"""Numbers of ONNX's types."""


@TINY_MODELS.register("rmbg")
def save_rmbg(folder: Path, *, batch: int | str = "batch") -> Path:
    """Save a network that takes the more red for the more foreground.

    ``batch`` is the number of pictures that it takes at once, or a name for any number.
    """
    return _save(folder, (1.0, -0.5, -0.5), batch)


@TINY_MODELS.register("birefnet")
def save_birefnet(folder: Path) -> Path:
    """Save a network that takes the more blue for the more foreground."""
    return _save(folder, (-0.5, -0.5, 1.0), 1)


def _save(folder: Path, weights: tuple[float, float, float], batch: int | str) -> Path:
    path = folder / "onnx" / "model.onnx"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(_convolution(weights, batch))
    return folder


def _convolution(weights: tuple[float, float, float], batch: int | str) -> bytes:
    """Return the ONNX model (opset 17) of a 1×1 convolution of N×3×1024×1024 images; numbers as in onnx.proto."""
    kernel = _tensor("kernel", (1, 3, 1, 1), np.array(weights, "<f4"))
    shape = _text(1, "kernel_shape") + _packed(8, (1, 1)) + _number(20, _LIST_OF_INTEGERS)
    node = _text(1, "image") + _text(1, "kernel") + _text(2, "matte") + _text(4, "Conv") + _field(5, shape)
    ends = _field(11, _value("image", (batch, 3, _SIDE, _SIDE))) + _field(12, _value("matte", (batch, 1, _SIDE, _SIDE)))
    graph = _field(1, node) + _text(2, "tiny") + _field(5, kernel) + ends
    return _number(1, 9) + _field(7, graph) + _field(8, _number(2, 17))


def _tensor(name: str, sides: tuple[int, ...], values: np.ndarray) -> bytes:
    return _packed(1, sides) + _number(2, _FLOAT) + _text(8, name) + _field(9, values.tobytes())


def _value(name: str, sides: tuple[int | str, ...]) -> bytes:
    shape = b"".join(_field(1, _text(2, side) if isinstance(side, str) else _number(1, side)) for side in sides)
    return _text(1, name) + _field(2, _field(1, _number(1, _FLOAT) + _field(2, shape)))


def _varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + _varint(rest) if rest else bytes([low])


def _number(field: int, value: int) -> bytes:
    return _varint(field << 3) + _varint(value)


def _field(field: int, content: bytes) -> bytes:
    return _varint(field << 3 | 2) + _varint(len(content)) + content


def _text(field: int, content: str) -> bytes:
    return _field(field, content.encode())


def _packed(field: int, values: tuple[int, ...]) -> bytes:
    return _field(field, b"".join(map(_varint, values)))
