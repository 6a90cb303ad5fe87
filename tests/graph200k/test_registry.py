"""One small class for every kind of extension."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from graph200k.errors import UnknownNameError
from graph200k.registry import Registry


def test_what_is_registered_is_found_in_order() -> None:
    shapes: Registry[type] = Registry("shape")

    @shapes.register("square")
    class Square: ...

    @shapes.register("disc")
    class Disc: ...

    assert dict(shapes) == {"square": Square, "disc": Disc}
    assert "disc" in shapes and "line" not in shapes and len(shapes) == 2


def test_a_name_taken_twice_is_refused() -> None:
    shapes: Registry[type] = Registry("shape")
    shapes.register("square")(int)
    with pytest.raises(ValueError, match="shape 'square' is registered twice"):
        shapes.register("square")(float)


def test_an_unknown_name_offers_the_closest() -> None:
    shapes: Registry[type] = Registry("shape")
    shapes.register("square")(int)
    with pytest.raises(UnknownNameError, match=r"unknown shape 'sqare'; did you mean square\?"):
        shapes["sqare"]


def test_a_new_file_in_the_package_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = tmp_path / "shapes_of_a_test"
    package.mkdir()
    (package / "__init__.py").write_text("from graph200k.registry import Registry\nS = Registry('shape', __name__)\n")
    (package / "round.py").write_text("from shapes_of_a_test import S\n@S.register('disc')\nclass Disc: ...\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import shapes_of_a_test  # type: ignore[import-not-found]

    assert "shapes_of_a_test.round" not in sys.modules
    assert list(shapes_of_a_test.S) == ["disc"]
