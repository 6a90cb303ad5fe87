"""Rules of the project that are tests (style, Sec. 12)."""

from __future__ import annotations

import ast
import json
import pkgutil
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import graph200k
from annotators.base import ANNOTATORS
from graph200k.catalogue import GRAPH200K, Storage
from graph200k.record import FACTS
from support.settings import Sources

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [
    path
    for package in ("graph200k", "annotators", "pipelines", "sampler", "trainer")
    for path in sorted((ROOT / package).rglob("*.py"))
]
PARSED = Sources([ast.parse(path.read_text()) for path in SOURCES])

HELP = """
import json, sys
from graph200k.cli import main
sys.argv = ["graph200k", "--help"]
try:
    main()
except SystemExit:
    sys.stderr.write(json.dumps(sorted(sys.modules)))
"""


def test_help_waits_for_no_heavy_library() -> None:
    done = subprocess.run([sys.executable, "-c", HELP], capture_output=True, text=True, check=True, timeout=60)
    assert "Usage" in done.stdout
    loaded = set(json.loads(done.stderr))
    heavy = {"numpy", "networkx", "pyarrow", "PIL", "fsspec", "pydantic", "torch", "ray", "matplotlib", "pandas", "cv2"}
    assert not loaded & heavy


def test_importing_the_package_imports_none_of_its_parts() -> None:
    code = "import sys, graph200k; print(*sorted(name for name in sys.modules if name.startswith('graph200k')))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.split() == ["graph200k"]


@pytest.mark.parametrize("name", graph200k.__all__)
def test_every_exported_name_can_be_imported(name: str) -> None:
    assert getattr(graph200k, name) is not None
    assert name in dir(graph200k)


def test_no_exported_name_is_that_of_a_module_which_would_hide_it() -> None:
    modules = {module.name for module in pkgutil.iter_modules(graph200k.__path__)}
    assert not modules & set(graph200k.__all__)


def test_a_name_that_is_not_exported_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        graph200k.nothing  # noqa: B018


@pytest.mark.parametrize("name", ANNOTATORS)
def test_what_an_annotator_reads_and_makes_is_in_the_catalogue(name: str) -> None:
    annotator = ANNOTATORS[name]
    assert annotator.name == name
    assert annotator.outputs()
    for node in annotator.produces:
        assert GRAPH200K[node].storage is not Storage.DERIVED
    for node in set(annotator.reads) - set(FACTS):
        assert GRAPH200K[node].storage is Storage.STORED
    assert set(annotator.states) <= set(FACTS)


def test_no_two_annotators_of_a_preset_make_the_same_node() -> None:
    from pipelines.annotate.config import PRESETS

    for annotators in PRESETS.values():
        made = [output for name in annotators for output in ANNOTATORS[name].outputs()]
        assert len(set(made)) == len(made)


def test_modules_are_named_for_what_is_in_them() -> None:
    vague = {"utils.py", "util.py", "misc.py", "common.py", "helpers.py"}
    assert not [str(path) for path in SOURCES if path.name in vague]


@pytest.mark.parametrize("name", sorted(PARSED.settings))
def test_every_option_is_read_somewhere(name: str) -> None:
    assert PARSED.settings[name] - PARSED.read(name) == set()


def test_settings_are_found_wherever_they_are() -> None:
    expected = {"AnnotateConfig", "DatasetShare", "IngestOptions", "SampleOptions", "StreamSettings", "TaskWeights"}
    assert expected | {"GenerationSettings", "TrainConfig"} <= set(PARSED.settings)


def test_what_is_changed_in_a_copy_is_a_field() -> None:
    """Pydantic sets whatever ``model_copy`` is given, and checks nothing."""
    assert PARSED.updates() - set().union(*PARSED.models.values()) == set()


def test_an_option_that_other_classes_alone_read_is_not_read() -> None:
    text = """
class DrawSettings(BaseModel):
    seed: int
    steps: int

class Sampler:
    settings: DrawSettings
    def draw(self):
        changed = {"stepps": 3}
        return self.seed, self.settings.steps, self.settings.model_copy(update={"seed": {"a": 1}} | changed)
"""
    parsed = Sources([ast.parse(text)])
    assert parsed.settings == parsed.models == {"DrawSettings": {"seed", "steps"}}
    assert parsed.settings["DrawSettings"] - parsed.read("DrawSettings") == {"seed"}
    assert parsed.updates() == {"seed", "stepps"}


def test_what_mypy_is_to_overlook_has_a_reason() -> None:
    ignored = [line for path in SOURCES for line in path.read_text().splitlines() if "# type: ignore" in line]
    assert [line for line in ignored if not re.search(r"# type: ignore\[[a-z-]+\]  # \w+", line)] == []


def test_only_the_command_line_reads_the_environment() -> None:
    readers = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Attribute) and node.attr in {"environ", "getenv"} and ast.unparse(node.value) == "os"
    }
    # The engine sets, for Ray's workers, what they inherit; it reads nothing.
    command_line = {name for name in readers if name.startswith("graph200k/cli/")}
    assert readers - command_line <= {"pipelines/annotate/engine.py"}
    engine = (ROOT / "pipelines/annotate/engine.py").read_text()
    assert re.findall(r"os\.environ\S*", engine) == ["os.environ.update(_WORKER_ENVIRONMENT,"]


def test_errors_of_all_kinds_are_caught_in_three_places_alone() -> None:
    broad = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ExceptHandler)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
        and ast.unparse(node.body[-1]) != "raise"  # one that cleans up and lets the error go on hides nothing
    }
    # The command line shows the error and exits; Ray raises a bare Exception when it takes too long to start.
    assert broad == {"pipelines/annotate/unit.py", "graph200k/cli/__init__.py", "pipelines/annotate/engine.py"}


def test_every_module_of_the_core_has_a_test() -> None:
    tested = {path.name.removeprefix("test_") for path in (ROOT / "tests" / "graph200k").glob("test_*.py")}
    modules = {path.name for path in (ROOT / "graph200k").glob("*.py")} - {"__init__.py"}
    covered_elsewhere = {
        "derive.py",  # test_dataset
        "errors.py",  # everywhere
        "inspection.py",  # test_verify
        "records.py",  # test_session, test_verify
        "reports.py",  # test_cli
        "shard_index.py",  # test_dataset
    }
    assert modules - tested - covered_elsewhere == set()


def test_no_function_is_longer_than_a_screen() -> None:
    longest = {
        f"{path.relative_to(ROOT)}:{node.lineno} {node.name}": node.end_lineno - node.body[0].lineno + 1
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef) and node.end_lineno
    }
    assert {name: lines for name, lines in longest.items() if lines > 75} == {}


def test_no_code_and_no_pickle_of_a_stranger_is_run() -> None:
    calls = [
        (path.relative_to(ROOT).as_posix(), node)
        for path in SOURCES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call)
    ]
    trusting = [where for where, call in calls if any(word.arg == "trust_remote_code" for word in call.keywords)]
    pickles = [
        f"{where}:{call.lineno}"
        for where, call in calls
        if ast.unparse(call.func) == "torch.load" and "weights_only=True" not in ast.unparse(call)
    ]
    assert (trusting, pickles) == ([], [])


WITHOUT_WEIGHTS = re.compile(r"(Auto)?(Processor|ImageProcessor|Config)|\w*(Tokenizer|TokenizerFast|Scheduler)")
PICKLES_BY_DESIGN = {"HEDdetector", "NormalBaeDetector"}
"""Of a pinned .pth or .pt, which torch.load reads with weights_only since torch 2.6."""


def test_weights_are_read_from_safetensors_alone_where_a_library_would_fall_back_to_a_pickle() -> None:
    loose = []
    for path in SOURCES:
        nodes = list(ast.walk(ast.parse(path.read_text())))
        assigned = {ast.unparse(node.targets[0]): ast.unparse(node.value) for node in nodes
                    if isinstance(node, ast.Assign)}  # fmt: skip
        for call in nodes:
            if not isinstance(call, ast.Call) or not ast.unparse(call.func).endswith(".from_pretrained"):
                continue
            kind = ast.unparse(call.func).removesuffix(".from_pretrained")
            said = [ast.unparse(call), *(assigned.get(ast.unparse(word.value), "") for word in call.keywords)]
            safe = any(re.search(r"use_safetensors(=|': )True", words) for words in said)
            if not (safe or WITHOUT_WEIGHTS.fullmatch(kind) or kind in PICKLES_BY_DESIGN):
                loose.append(f"{path.relative_to(ROOT)}:{call.lineno} {kind}")
    assert loose == []


def test_the_oldest_torch_we_take_loads_no_code_from_a_pickle() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [name for extra in project["optional-dependencies"].values() for name in extra]
    oldest = [
        tuple(map(int, found.groups())) for found in map(re.compile(r"torch>=(\d+)\.(\d+)").match, wanted) if found
    ]
    assert min(oldest) >= (2, 6)
