"""Who may import whom, and what is heavy (style, Sec. 1), read from the source of all packages."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("graph200k", "annotators", "pipelines", "sampler", "trainer")

MAY_IMPORT = {
    "graph200k": (),
    "annotators": ("graph200k",),
    "pipelines": ("graph200k", "annotators"),
    "sampler": ("graph200k", "annotators.degradations"),
    "trainer": ("graph200k", "sampler"),
}
"""Of our own packages; each may import itself."""

HEAVY = {
    "ai_edge_litert",
    "torch",
    "torchvision",
    "transformers",
    "diffusers",
    "ray",
    "datasets",
    "onnxruntime",
    "rembg",
    "controlnet_aux",
    "peft",
}
"""Libraries that take a second or more to import."""

MAY_USE_ANYWHERE = {"pipelines": {"ray"}, "trainer": {"torch", "torchvision", "transformers", "diffusers", "peft"}}
"""Heavy libraries that a package may import at module level."""

MAY_USE_INSIDE_FUNCTIONS = {
    "graph200k": {"datasets"},  # hf_features, for those who have it
    "annotators": HEAVY - {"ray", "datasets", "peft"},
    "pipelines": {"ray"},
    "sampler": {"torch"},
    "trainer": HEAVY - {"ray"},
}

MODULES_WITH_MORE = {"trainer/launch.py": {"ray"}}
"""Modules that may import more than their package does, inside functions."""

TORCH_MODULES = {"sampler/batch.py", "sampler/loader.py", "sampler/stream_loader.py"}
"""Modules of the sampler that may import torch at module level."""


@dataclass(frozen=True)
class Import:
    file: str
    line: int
    name: str
    place: str
    """``module``, ``function`` or ``types`` (under TYPE_CHECKING)."""

    @property
    def package(self) -> str:
        return self.file.split("/")[0]

    def __str__(self) -> str:
        return f"{self.file}:{self.line} imports {self.name} ({self.place} level)"


def _imports(path: Path) -> Iterator[Import]:
    file = path.relative_to(ROOT).as_posix()

    def visit(node: ast.AST, place: str) -> Iterator[Import]:
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            place = "types"
        elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            place = "function"
        if isinstance(node, ast.Import):
            yield from (Import(file, node.lineno, alias.name, place) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{file}:{node.lineno} is a relative import"
            # `from annotators import degradations` imports annotators.degradations.
            yield from (Import(file, node.lineno, f"{node.module}.{alias.name}", place) for alias in node.names)
        for child in ast.iter_child_nodes(node):
            yield from visit(child, place)

    yield from visit(ast.parse(path.read_text()), "module")


IMPORTS = [found for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py")) for found in _imports(path)]


def _is_below(name: str, parent: str) -> bool:
    return name == parent or name.startswith(f"{parent}.")


@pytest.mark.parametrize("package", PACKAGES)
def test_imports_of_our_own_go_one_way(package: str) -> None:
    allowed = (package, *MAY_IMPORT[package])
    wrong = [
        found
        for found in IMPORTS
        if found.package == package
        and found.name.split(".")[0] in PACKAGES
        and not any(_is_below(found.name, name) for name in allowed)
        and not (found.file.startswith("graph200k/cli/") and found.place == "function")
        and not (found.file == "graph200k/reports.py" and found.place == "types")
    ]
    assert not wrong, "\n".join(map(str, wrong))


@pytest.mark.parametrize("package", PACKAGES)
def test_heavy_libraries_are_imported_where_they_may_be(package: str) -> None:
    wrong = []
    for found in IMPORTS:
        library = found.name.split(".")[0]
        if found.package != package or library not in HEAVY or found.place == "types":
            continue
        anywhere = MAY_USE_ANYWHERE.get(package, set()) | ({"torch"} if found.file in TORCH_MODULES else set())
        inside = MAY_USE_INSIDE_FUNCTIONS[package] if found.place == "function" else set()
        if found.place == "function":
            inside = inside | MODULES_WITH_MORE.get(found.file, set())
        if library not in anywhere | inside:
            wrong.append(found)
    assert not wrong, "\n".join(map(str, wrong))


def test_file_systems_are_opened_in_the_core_alone() -> None:
    wrong = [found for found in IMPORTS if _is_below(found.name, "fsspec") and found.file != "graph200k/storage.py"]
    assert not wrong, "\n".join(map(str, wrong))


def test_the_command_line_imports_nothing_heavy_at_module_level() -> None:
    names = {
        found.name.split(".")[0]
        for found in IMPORTS
        if found.file.startswith("graph200k/cli/") and found.place == "module"
    }
    assert names <= {"__future__", "logging", "os", "signal", "sys", "pathlib", "typing", "typer", "graph200k"}


def test_nothing_outside_the_tests_imports_them() -> None:
    assert not [
        found for found in IMPORTS if found.name.split(".")[0] in {"tests", "support", "pytest", "hypothesis", "moto"}
    ]


def test_this_test_sees_imports_of_every_kind() -> None:
    assert any(found.place == "function" for found in IMPORTS)
    assert any(found.place == "types" for found in IMPORTS)
    assert {found.package for found in IMPORTS} >= {"graph200k", "annotators", "pipelines"}
