"""``graph200k sample-tasks`` through the entry point."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graph200k.cli import main
from sampler.grid import Grid
from support.full_datasets import make_full_dataset
from support.published import write_photodoodle


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("full")
    make_full_dataset(path)
    return str(path)


def call(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *words: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["graph200k", *words])
    with pytest.raises(SystemExit) as stopped:
        main()
    shown = capsys.readouterr()
    assert isinstance(stopped.value.code, int)
    return stopped.value.code, shown.out, shown.err


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    before = signal.getsignal(signal.SIGTERM)
    yield lambda *words: call(capsys, monkeypatch, "sample-tasks", *words)
    signal.signal(signal.SIGTERM, before)


def lines(out: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in out.splitlines()]


def test_samples_are_json_lines_with_all_that_scripts_rely_on(run: Any, data: str) -> None:
    code, out, err = run("--data", data, "--max-context", "2", "-n", "5")
    assert (code, err) == (0, "")
    samples = lines(out)
    assert [sample["index"] for sample in samples] == [0, 1, 2, 3, 4]
    promised = {"seed", "index", "task", "path", "rows", "masked", "layout", "instruction", "content", "cell_sizes"}
    assert all(promised <= sample.keys() for sample in samples)
    assert {"key", "node", "variant", "role"} <= samples[0]["rows"][0][0].keys()


def test_a_replay_is_the_identical_sample(run: Any, data: str, tmp_path: Path) -> None:
    _, out, _ = run("--data", data, "--seed", "7", "-n", "12", "--area", "96", "--out", str(tmp_path / "all"))
    _, again, _ = run("--data", data, "--replay", "7:11", "--area", "96", "--out", str(tmp_path / "one"))
    assert lines(again) == lines(out)[-1:]
    name = "7-11.png"
    assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "all" / name).read_bytes()
    assert len(list((tmp_path / "all").iterdir())) == 12


def test_the_picture_hides_what_is_to_be_generated(run: Any, data: str, tmp_path: Path) -> None:
    from graph200k.dataset import Dataset
    from sampler.command import picture
    from sampler.config import SamplerConfig
    from sampler.task_sampler import TaskSampler

    sampler = TaskSampler([Dataset(data)], SamplerConfig(area_px=96**2))
    sample, grid = sampler.load(0)
    (row, column) = sample.masked[0]
    other = [pixels.copy() for pixels in grid.rows]
    changed = Grid(tuple(other), grid.masked)
    changed.cell(row, column)[:] = 255 - changed.cell(row, column)
    assert np.array_equal(np.asarray(picture(sample, grid)), np.asarray(picture(sample, changed)))
    run("--data", data, "-n", "1", "--area", "96", "--out", str(tmp_path))
    assert np.array_equal(np.asarray(Image.open(tmp_path / "0-0.png")), np.asarray(picture(sample, grid)))


def test_one_task_and_a_number_of_contexts_can_be_asked_for(run: Any, data: str) -> None:
    _, out, _ = run("--data", data, "--task", "reference,canny,target", "--max-context", "0", "-n", "3")
    samples = lines(out)
    assert {sample["task"] for sample in samples} == {"reference,canny,target"}
    assert {len(sample["rows"]) for sample in samples} == {1}


def test_a_misspelt_task_is_one_line_with_the_closest(run: Any, data: str) -> None:
    code, out, err = run("--data", data, "--task", "cany,target")
    assert code == 2 and out == ""
    assert "canny,target" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (["--replay", "7"], "SEED:INDEX"),
        (["--area", "63"], "64"),
        (["--config", "none.toml"], "no such file"),
        (["-n", "0"], "0"),
        (["--replay", "0:3", "--seed", "1"], "leave out --seed"),
    ],
)
def test_wrong_options_are_refused_with_a_hint(run: Any, data: str, words: list[str], hint: str) -> None:
    code, out, err = run("--data", data, *words)
    assert code != 0 and out == ""
    assert hint in err and "Traceback" not in err


def test_a_folder_without_a_dataset_says_how_to_make_one(run: Any, tmp_path: Path) -> None:
    code, _, err = run("--data", str(tmp_path))
    assert code == 1 and "graph200k ingest" in err


def test_a_mix_with_a_wrong_name_says_which_would_be_right(run: Any, tmp_path: Path) -> None:
    config = tmp_path / "mix.toml"
    config.write_text("[sampler]\nareapx = 4096\n")
    code, _, err = run("--config", str(config))
    assert code == 1
    assert "mix.toml: sampler.areapx: no such setting; did you mean area_px?" in " ".join(err.split())


def test_a_dataset_beside_those_of_a_mix_is_refused(run: Any, data: str, tmp_path: Path) -> None:
    config = tmp_path / "mix.toml"
    config.write_text(f'[[datasets]]\ndata = "{data}"\n')
    code, out, err = run("--config", str(config), "--data", data)
    assert code == 2 and out == "" and "leave out --data" in err


def test_a_mix_draws_from_datasets_of_different_node_types(
    capsys: pytest.CaptureFixture[str],
    caplog: pytest.LogCaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    run: Any,
    data: str,
    tmp_path: Path,
) -> None:
    doodles = tmp_path / "doodles"
    write_photodoodle(tmp_path / "published")
    assert call(capsys, monkeypatch, "ingest", str(tmp_path / "published"), "--out", str(doodles))[0] == 0
    config = tmp_path / "mix.toml"
    config.write_text(
        f'[sampler]\narea_px = {96**2}\n[[datasets]]\ndata = "{data}"\nweight = 1\n'
        f'[datasets.weights.groups]\nrestoration = 0\n[[datasets]]\ndata = "{doodles}"\nweight = 1\n'
    )
    code, out, _ = run("--config", str(config), "-n", "60", "--out", str(tmp_path / "out"))
    assert code == 0
    samples = lines(out)
    assert {sample["data"] for sample in samples} == {data, str(doodles)}
    assert "restoration" not in {sample["meta_task"] for sample in samples if sample["data"] == data}
    assert "32 tasks are left out: its weight is 0" in caplog.text
