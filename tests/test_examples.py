"""The files in examples/ run as they stand, on a dataset made here, and are as short as they claim."""

import ast
import runpy
import sys
import warnings
from pathlib import Path

import pytest

from support.full_datasets import make_full_dataset

EXAMPLES = {path.stem: path for path in (Path(__file__).resolve().parent.parent / "examples").glob("*.py")}
OURS = {"graph200k", "annotators", "pipelines", "sampler", "trainer"}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("examples")
    make_full_dataset(path, 8)
    return str(path)


def output(name: str, data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return what an example prints; run in this process, which has the heavy libraries loaded."""
    monkeypatch.setattr(sys, "argv", [str(EXAMPLES[name]), data])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        runpy.run_path(str(EXAMPLES[name]), run_name="__main__")
    return capsys.readouterr().out.splitlines()


def test_there_is_an_example_for_each_trainer() -> None:
    assert set(EXAMPLES) == {"webdataset_records", "datasets_records", "pytorch_tasks", "lightning_tasks"}


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_an_example_is_under_30_lines(name: str) -> None:
    assert len(EXAMPLES[name].read_text().splitlines()) < 30


@pytest.mark.parametrize("name", ["webdataset_records", "datasets_records"])
def test_foreign_readers_import_nothing_of_ours(name: str) -> None:
    tree = ast.walk(ast.parse(EXAMPLES[name].read_text()))
    imported = {found.name for node in tree if isinstance(node, ast.Import) for found in node.names}
    tree = ast.walk(ast.parse(EXAMPLES[name].read_text()))
    imported |= {str(node.module) for node in tree if isinstance(node, ast.ImportFrom)}
    assert not {module.split(".")[0] for module in imported} & OURS


def test_webdataset_reads_whole_records(
    data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = output("webdataset_records", data, capsys, monkeypatch)
    assert len(lines) == 8 and "pair 1: canny (" in lines[0]


def test_datasets_streams_whole_records(
    data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = output("datasets_records", data, capsys, monkeypatch)
    assert lines[0] == "scene-0000: (96, 64), 24 images, 'Scene scene-0000.'" and len(lines) == 8


def test_pytorch_samples_tasks(data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    lines = output("pytorch_tasks", data, capsys, monkeypatch)
    assert [line.split(":")[0] for line in lines] == [f"step {step}" for step in range(4)]


def test_lightning_samples_tasks(
    data: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    lines = output("lightning_tasks", data, capsys, monkeypatch)
    assert lines[-1].startswith("after 20 steps the colour is [0.")
