"""`graph200k annotate` as a user meets it: a first run, a second, a full disk, two at once, a stop in the middle."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from graph200k.dataset import Dataset
from graph200k.verify import verify
from support.driving import command, finish, write_photographs
from support.running import assert_clean, sealed_bytes

CHEAP = ("--only", "canny,mlsd")


@pytest.fixture(scope="module")
def photographs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("photographs") / "in"
    write_photographs(folder, 24)
    return folder


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for the photographs in their shards (0.4 MB) and not for their annotations."""
    where = tmp_path / "disk"
    where.mkdir()
    if subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=1200k", "tmpfs", str(where)], capture_output=True
    ).returncode:
        pytest.skip("only root can mount a small disk")
    yield where
    subprocess.run(["umount", "-l", str(where)], check=True)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command(*arguments), capture_output=True, text=True, timeout=300)


@pytest.fixture(scope="module")
def undisturbed(photographs: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, str]:
    """Return the dataset of a run that nothing happened to, and what it said on stdout and stderr."""
    data = tmp_path_factory.mktemp("undisturbed") / "data"
    done = _run("annotate", str(photographs), "--data", str(data), *CHEAP, "--json")
    assert done.returncode == 0, done.stderr
    return data, done.stdout, done.stderr


def test_a_run_reports_in_json_and_writes_a_contact_sheet(undisturbed: tuple[Path, str, str]) -> None:
    data, said, notes = str(undisturbed[0]), *undisturbed[1:]
    report = json.loads(said)
    assert report["records"] == report["annotated"] == 24
    assert report["annotations"] == {"target": 24, "canny": 24, "mlsd": 24}
    assert report["tasks"] == 2 + 2 + 32  # canny and mlsd, each both ways, and the degradations
    assert Path(report["paths"]["contact sheet"]).read_bytes().startswith(b"\x89PNG")
    assert "Traceback" not in notes
    plan = json.loads(_run("annotate", "--data", data, *CHEAP, "--dry-run", "--json").stdout)
    assert plan["to_run"] == {}
    again = json.loads(_run("annotate", "--data", data, "--redo", "canny", "--dry-run", "--json").stdout)
    assert again["to_run"] == {"canny": 24}
    assert again["storage_bytes"] > 0
    assert again["seconds"] > 0


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        ([], 1, "is not a dataset; name images to make it of"),
        (["no-such-folder"], 1, "no-such-folder does not exist; expected a file, a folder"),
        (["{photographs}", "--only", "cany"], 2, "unknown annotator 'cany'; did you mean canny"),
        (["{photographs}", "--preset", "papr"], 2, "unknown preset 'papr'"),
        (["{photographs}", "--config", "no.toml"], 1, "no.toml: no such file"),
        (["{photographs}", "--class", "oom"], 2, "--class goes with --retry-failed"),
        (["{photographs}", "--workers", "0"], 2, "greater than or equal to 1"),
        (["{photographs}", "--ray-address", "nowhere:1"], 1, "--ray-address nowhere:1"),
    ],
)
def test_what_cannot_be_done_is_said_in_words_and_leaves_no_dataset(
    photographs: Path, tmp_path: Path, arguments: list[str], code: int, words: str
) -> None:
    data = tmp_path / "data"
    given = [argument.format(photographs=photographs) for argument in arguments]
    done = _run("annotate", *given, "--data", str(data))
    assert done.returncode == code
    assert words in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""
    assert "--ray-address" in arguments or not data.exists()


def test_a_full_disk_is_said_in_one_line_and_with_room_the_run_goes_on(
    photographs: Path, disk: Path, undisturbed: tuple[Path, str, str]
) -> None:
    data = disk / "data"
    done = _run("annotate", str(photographs), "--data", str(data), *CHEAP)
    assert done.returncode == 1
    assert "no space left" in done.stderr.splitlines()[-1]
    assert "Traceback" not in done.stderr
    subprocess.run(["mount", "-o", "remount,size=64m", str(disk)], check=True)
    assert not [problem for problem in verify(str(data)) if problem.damaged]
    finish("annotate", str(photographs), "--data", str(data), *CHEAP)
    assert sealed_bytes(data) == sealed_bytes(undisturbed[0])
    assert_clean(data)


def test_a_second_run_at_the_same_time_is_refused_and_the_first_is_not_disturbed(
    photographs: Path, tmp_path: Path
) -> None:
    data = tmp_path / "data"
    arguments = command("annotate", str(photographs), "--data", str(data), *CHEAP)
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as first:
        while not (data / "lock.json").exists():
            assert first.poll() is None
            time.sleep(0.02)
        second = _run("annotate", str(photographs), "--data", str(data), *CHEAP)
        assert second.returncode == 1
        assert "is being written by run" in second.stderr
    assert first.returncode == 0
    assert len(Dataset(str(data))) == 24
    assert verify(str(data)) == []


def test_a_terminated_run_says_how_to_go_on_and_leaves_no_lock(photographs: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    arguments = command("annotate", str(photographs), "--data", str(data), *CHEAP)
    with subprocess.Popen(arguments, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as run:
        while not list(data.glob("index/*.parquet")):  # ingested; now Ray starts
            assert run.poll() is None
            time.sleep(0.02)
        time.sleep(2)
        run.send_signal(signal.SIGTERM)
        _, errors = run.communicate(timeout=60)
    assert run.returncode == 130
    assert errors.splitlines()[-1].startswith("error: stopped; what is finished is kept")
    assert not (data / "lock.json").exists()
    finish("annotate", "--data", str(data), *CHEAP)
    assert verify(str(data)) == []
