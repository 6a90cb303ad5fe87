"""Each command through the entry point: exit code, stdout and stderr apart; an error is one line and no traceback."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from annotators.weights import WEIGHTS
from graph200k.catalogue import GRAPH200K
from graph200k.cli import main
from graph200k.commit import shard_path
from graph200k.dataset import Dataset
from graph200k.parts import failure_row, write_part
from graph200k.schema import enumerate_tasks, from_node_link, graph200k_tasks
from graph200k.session import write_session
from pipelines.annotate.config import preset_models
from support.datasets import make_varied_dataset
from support.pictures import draw_scene
from support.published import write_viton_hd
from support.running import assert_clean

COMMANDS = [
    "ingest",
    "annotate",
    "graph",
    "tasks",
    "sample-tasks",
    "stats",
    "verify",
    "failures",
    "weights",
    "models",
    "demo",
]

ENTRY = [sys.executable, "-c", "from graph200k.cli import main; main()"]
"""The command line in a process of its own."""


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


Run = Callable[..., Result]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Iterator[Run]:
    """Run a command in this process, in an empty folder and without settings of the user's."""
    monkeypatch.chdir(tmp_path)
    for name in ("GRAPH200K_DATA", "GRAPH200K_WEIGHTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HF_HUB_DISABLE_TELEMETRY", "1")
    before = signal.getsignal(signal.SIGTERM)

    def run(*args: object) -> Result:
        monkeypatch.setattr(sys, "argv", ["graph200k", *map(str, args)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        captured = capsys.readouterr()
        return Result(int(stop.value.code or 0), captured.out, captured.err)

    yield run
    signal.signal(signal.SIGTERM, before)


@pytest.fixture(scope="module")
def sealed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A dataset of 8 records with two failures on file, one of them with brackets in its message."""
    data = tmp_path_factory.mktemp("sealed") / "data"
    make_varied_dataset(data, 8)
    with write_session(str(data), shard_size=4) as session:
        rows = [
            failure_row(0, "scene-0000", "hed", "f", "error", "RuntimeError: [/tmp/x] is gone"),
            failure_row(1, "scene-0001", "hed", "f", "oom", "no memory"),
        ]
        write_part(session.folder, session.run, 0, "a", rows)
        session.seal(0)
    return data


@pytest.fixture
def data(sealed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(sealed, tmp_path / "dataset"))


def test_help_lists_every_command(run: Run) -> None:
    result = run("--help")
    assert (result.code, result.err) == (0, "")
    for command in COMMANDS:
        assert re.search(rf"\b{command}\b", result.out)


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Run, command: str) -> None:
    result = run(command, "--help")
    assert result.code == 0
    assert "Usage" in result.out and "--help" in result.out


@pytest.mark.parametrize("args", [["--nosuch"], ["nosuch"], ["tasks", "--nosuch"], ["tasks", "extra"], ["ingest"]])
def test_a_wrong_flag_or_argument_is_said_on_stderr_with_code_2(run: Run, args: list[str]) -> None:
    result = run(*args)
    assert (result.code, result.out) == (2, "")
    assert "Error: " in result.err
    assert "Traceback" not in result.err


@pytest.mark.parametrize("command", ["graph", "tasks", "stats", "verify", "failures"])
@pytest.mark.parametrize("as_json", [[], ["--json"]], ids=["text", "json"])
def test_a_dataset_that_was_named_and_is_not_there_is_an_error_of_one_line(
    run: Run, command: str, as_json: list[str]
) -> None:
    result = run(command, "--data", "no/such", *as_json)
    assert (result.code, result.out) == (1, "")
    assert result.err == (
        "error: no/such is not a dataset (it has no dataset.json); make one with `graph200k ingest SOURCE --out DIR`\n"
    )


@pytest.mark.parametrize("command", ["graph", "tasks", "stats", "verify", "failures"])
def test_a_kind_of_url_that_is_not_known_is_an_error_of_one_line(run: Run, command: str) -> None:
    result = run(command, "--data", "nosuch://bucket/data")
    assert (result.code, result.out) == (1, "")
    assert result.err.startswith("error: nosuch://bucket/data cannot be opened") and result.err.count("\n") == 1


@pytest.mark.parametrize("command", ["stats", "verify", "failures"])
def test_commands_about_a_dataset_need_one(run: Run, command: str) -> None:
    result = run(command)
    assert result.code == 1
    assert result.err.startswith("error: data/graph200k is not a dataset")


def test_tasks_without_a_dataset_are_the_134_of_the_schema(run: Run) -> None:
    result = run("tasks", "--json")
    assert (result.code, result.err) == (0, "")
    assert [set(task) for task in result.json] == [{"name", "path", "meta_task", "records"}] * 134
    assert {task["records"] for task in result.json} == {None}
    assert [task["name"] for task in result.json] == [task.name for task in graph200k_tasks()]
    assert result.json[0]["path"] == result.json[0]["name"].split(",")


def test_tasks_of_a_dataset_say_how_many_records_serve_each(run: Run, data: Path) -> None:
    result = run("tasks", "--data", data, "--json")
    assert [task["records"] for task in result.json] == Dataset(str(data)).task_counts(graph200k_tasks())
    text = run("tasks", "--data", data)
    assert text.out.rstrip().endswith("of them served by at least one record")
    assert any(re.search(r"canny,target\b.*conditional generation\b.* 6 ", line) for line in text.out.splitlines())


def test_graph_without_a_dataset_is_the_schema(run: Run) -> None:
    result = run("graph", "--json")
    assert (result.code, result.err) == (0, "")
    assert tuple(enumerate_tasks(from_node_link(result.json))) == graph200k_tasks()
    assert {node["records"] for node in result.json["nodes"]} == {None}
    assert "50 node types, 134 tasks" in run("graph").out


def test_graph_of_a_dataset_counts_the_records_of_each_node(run: Run, data: Path) -> None:
    result = run("graph", "--data", data, "--json")
    assert {node["id"]: node["records"] for node in result.json["nodes"]} == Dataset(str(data)).node_counts()
    assert re.search(r"canny .* 6 ", run("graph", "--data", data).out)


def test_graph_tasks_and_stats_of_another_dataset_are_those_of_its_node_types(run: Run, tmp_path: Path) -> None:
    ingested = run("ingest", write_viton_hd(tmp_path / "viton"), "--out", tmp_path / "data", "--workers", 1, "--json")
    assert (ingested.code, ingested.json["records"]) == (0, 4)
    tasks = {task["name"]: task["records"] for task in run("tasks", "--data", tmp_path / "data", "--json").json}
    assert tasks == {"person,garment,target": 1, "agnostic,garment,target": 4}
    nodes = {node["id"]: node["records"] for node in run("graph", "--data", tmp_path / "data", "--json").json["nodes"]}
    assert nodes == {"target": 4, "person": 1, "agnostic": 4, "garment": 4}
    assert "2 of 2 tasks can be served" in run("stats", "--data", tmp_path / "data").out
    assert run("verify", "--data", tmp_path / "data").code == 0


def test_graph_draws_a_png(run: Run, data: Path, tmp_path: Path) -> None:
    result = run("graph", "--data", data, "--png", tmp_path / "new" / "graph.png")
    assert result.code == 0
    assert f"drawn: {tmp_path / 'new' / 'graph.png'}" in result.out
    assert np.asarray(Image.open(tmp_path / "new" / "graph.png")).shape[0] > 500


def test_a_png_that_cannot_be_written_is_an_error_of_one_line(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    result = run("graph", "--png", tmp_path / "file" / "graph.png")
    assert result.code == 1
    assert result.err.startswith("error: cannot write") and result.err.count("\n") == 1


def test_the_dataset_may_be_named_by_the_environment(run: Run, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GRAPH200K_DATA", str(data))
    assert run("stats", "--json").json["records"] == 8
    assert run("tasks", "--json").json[0]["records"] is not None
    monkeypatch.setenv("GRAPH200K_DATA", "no/such")
    assert run("tasks", "--json").json[0]["records"] is None
    assert run("stats", "--data", data, "--json").json["records"] == 8


def test_the_default_dataset_is_used_if_it_is_there(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    data.rename(tmp_path / "data" / "graph200k")
    assert {task["records"] for task in run("tasks", "--json").json} >= {0, 6}


def test_stats_show_records_and_node_types(run: Run, data: Path) -> None:
    result = run("stats", "--data", data, "--json")
    assert (result.code, result.err) == (0, "")
    assert set(result.json) == {
        "catalogue", "records", "shards", "bytes", "tasks", "tasks_served", "nodes", "width", "height", "annotators",
        "sources", "presets", "failures",
    }  # fmt: skip
    assert {node["node"] for node in result.json["nodes"]} <= set(GRAPH200K)
    text = run("stats", "--data", data).out
    assert "8 records in 2 shards" in text
    assert "width 96 to 96 px (median 96)" in text


def test_failures_are_listed_with_class_and_message(run: Run, data: Path) -> None:
    result = run("failures", "--data", data, "--json")
    assert (result.code, result.err) == (0, "")
    assert [(found["key"], found["annotator"], found["error"]) for found in result.json] == [
        ("scene-0000", "hed", "error"),
        ("scene-0001", "hed", "oom"),
    ]
    assert {"key", "annotator", "error", "message", "when", "count"} <= set(result.json[0])
    assert "RuntimeError: [/tmp/x] is gone" in run("failures", "--data", data).out


def test_a_dataset_without_failures_says_so(run: Run, tmp_path: Path) -> None:
    make_varied_dataset(tmp_path / "fine", 1)
    assert run("failures", "--data", tmp_path / "fine").out == "no failures\n"
    assert run("failures", "--data", tmp_path / "fine", "--json").json == []


def test_verify_of_a_healthy_dataset_is_quiet_and_0(run: Run, data: Path) -> None:
    assert run("verify", "--data", data) == Result(0, "nothing is wrong\n", "")
    assert run("verify", "--data", data, "--json").json == []


def damage(data: Path) -> None:
    """Flip a byte in the first annotation of a dataset."""
    member = Dataset(str(data)).members(0)[1]
    tar = bytearray((data / shard_path(0)).read_bytes())
    tar[member.offset + member.size // 2] ^= 0x55
    (data / shard_path(0)).write_bytes(bytes(tar))


def test_verify_names_damage_with_code_1_and_repair_mends_it_with_code_0(run: Run, data: Path) -> None:
    damage(data)
    result = run("verify", "--data", data)
    assert (result.code, result.err) == (1, "")
    assert "graph200k-000000: scene-0000.canny.png: " in result.out
    assert "`graph200k verify --repair`" in result.out
    (problem,) = run("verify", "--data", data, "--json").json
    assert set(problem) == {"shard", "member", "message", "damaged"}
    repaired = run("verify", "--data", data, "--repair")
    assert repaired.code == 0
    assert "1 problems; mended" in repaired.out
    assert run("verify", "--data", data).code == 0
    assert_clean(data)


def test_a_dataset_that_is_being_written_is_not_repaired(run: Run, data: Path) -> None:
    with write_session(str(data), shard_size=4):
        result = run("verify", "--data", data, "--repair")
    assert result.code == 1
    assert "is being written by run" in result.err and result.err.count("\n") == 1


def test_weights_that_are_missing_are_listed_with_code_1(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GRAPH200K_WEIGHTS", str(tmp_path / "none"))
    result = run("weights", "--check", "--json")
    assert (result.code, result.err) == (1, "")
    assert [(file["name"], file["ok"], file["path"]) for file in result.json] == [
        (name, False, None) for name in WEIGHTS
    ]
    assert {"model", "licence", "authors", "size_bytes"} <= set(result.json[0])
    text = run("weights", "--check")
    assert text.code == 1
    assert text.out.count("missing or damaged") == len(WEIGHTS)
    assert not (tmp_path / "none").exists()


def test_models_are_listed_with_what_a_user_must_know_and_code_1_if_missing(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    result = run("models", "--check", "--json")
    assert (result.code, result.err) == (1, "")
    assert {model["name"] for model in result.json} == set(preset_models("paper"))
    assert {model["path"] for model in result.json} == {None}
    assert {"id", "revision", "pinned", "licence", "gated", "size_gb", "page", "annotators"} <= set(result.json[0])
    text = run("models")
    assert text.code == 0
    assert text.out.count("not here") == len(result.json)
    assert run("models", "--preset", "default", "--check", "--json").json == []
    assert run("models", "--preset", "papr").code == 2


def test_a_model_is_given_as_name_and_path(run: Run, tmp_path: Path) -> None:
    for given in ("depth", "depth=", "=folder"):
        assert run("annotate", "--model", given, "--only", "depth").code == 2
    missing = run("annotate", "--model", f"depth={tmp_path / 'none'}", "--only", "depth", "--dry-run")
    assert missing.code == 1
    assert "is not a folder" in missing.err


def in_a_process(*args: object, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*ENTRY, *map(str, args)], capture_output=True, text=True, timeout=60, env=os.environ | environment
    )


def test_a_pending_commit_is_warned_of_on_stderr_unless_quiet(data: Path) -> None:
    (data / "parts").mkdir()
    (data / "parts" / "graph200k-000000.commit").touch()
    loud, quiet = (
        in_a_process("tasks", "--data", data, "--json"),
        in_a_process("--quiet", "tasks", "--data", data, "--json"),
    )
    assert "were being replaced when their writer stopped" in loud.stderr
    assert quiet.stderr == ""
    assert json.loads(loud.stdout) == json.loads(quiet.stdout)


def test_a_reader_that_goes_away_is_no_error() -> None:
    process = subprocess.Popen([*ENTRY, "tasks", "--json"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    assert process.stdout is not None and process.stderr is not None
    process.stdout.close()
    assert process.stderr.read() == b""
    process.stderr.close()
    process.wait()


def test_copies_of_a_photograph_are_said_by_ingest(run: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    for name in ("a.png", "b.png"):
        Image.fromarray(draw_scene(1)).save(tmp_path / "photos" / name)
    kept = run("ingest", str(tmp_path / "photos"), "--out", str(tmp_path / "kept"))
    assert kept.code == 0
    assert "2 records added" in kept.out and "1 exact duplicates (kept; --dedup drops them)" in kept.out
    dropped = run("ingest", str(tmp_path / "photos"), "--out", str(tmp_path / "dropped"), "--dedup")
    assert "1 records added" in dropped.out and "1 exact duplicates (dropped)" in dropped.out


def test_what_is_made_again_is_among_what_is_run(run: Run, data: Path) -> None:
    result = run("annotate", "--data", str(data), "--only", "canny", "--redo", "hed", "--dry-run")
    assert result.code == 2
    assert "--redo hed: not among --only canny" in result.err


def test_a_dry_run_of_a_removal_only_counts(run: Run, data: Path) -> None:
    before = run("stats", "--data", str(data), "--json").json
    maker = Dataset(str(data)).manifest.annotators[0].name
    counted = run("annotate", "--data", str(data), "--remove", maker, "--dry-run", "--json")
    assert counted.code == 0 and sum(counted.json.values()) > 0
    assert run("stats", "--data", str(data), "--json").json == before
    assert run("annotate", "--data", str(data), "--remove", maker, "--json").json == counted.json
    assert run("stats", "--data", str(data), "--json").json != before


def test_a_removal_does_nothing_else(run: Run, data: Path) -> None:
    result = run("annotate", "--data", str(data), "--remove", "canny", "--redo", "canny")
    assert result.code == 2 and "--remove does nothing else" in result.err


def test_a_class_of_failures_that_does_not_exist_is_answered_with_the_closest(run: Run, data: Path) -> None:
    result = run("annotate", "--data", str(data), "--retry-failed", "--class", "timeuot")
    assert result.code != 0 and "timeout" in result.err


def test_a_keyboard_interrupt_says_how_to_go_on(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(_: Path) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("pipelines.demo.write_demo", interrupted)
    result = run("demo", "photos")
    assert result.code == 130
    assert result.err == "error: stopped; what is finished is kept: run the same command again to go on\n"


def test_a_source_of_which_nothing_can_be_read_is_an_error(run: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "text.jpg").write_text("no picture")
    result = run("annotate", tmp_path / "photos", "--data", tmp_path / "none", "--only", "canny")
    assert result.code == 1
    assert "could be read as a record" in result.err
    assert "bad_image" in run("failures", "--data", tmp_path / "none").out


def test_a_dry_run_of_a_new_source_says_what_would_be_made(run: Run, tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    result = run("annotate", tmp_path / "photos", "--data", tmp_path / "new", "--only", "canny,mlsd", "--dry-run")
    assert result.code == 0
    assert "would be ingested first" in result.out and "on each record: canny, mlsd" in result.out
    assert "Stages" not in result.out
    assert not (tmp_path / "new").exists()
