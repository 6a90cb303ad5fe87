"""Folders of images: what is taken, what is left, and the captions beside it."""

from __future__ import annotations

import json
from pathlib import Path

import fsspec
import pytest
from PIL import Image

from support.ingesting import picture, run_ingest
from support.zoo_tars import DEEP_JSON, jpeg


def _save(path: Path, seed: int = 0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(picture(seed)).save(path)
    return path


def test_folders_are_read_to_the_bottom_and_hidden_files_left(tmp_path: Path) -> None:
    for seed, name in enumerate(["b.png", "a/z.png", "a/b/c.png", ".thumbnails/t.png", "a/._c.png"]):
        _save(tmp_path / "source" / name, seed)
    (tmp_path / "source" / "film.mp4").write_bytes(b"")
    outcome = run_ingest(tmp_path / "source", tmp_path / "data")
    assert list(outcome.by_name()) == ["a/b/c.png", "a/z.png", "b.png"]
    assert outcome.report.ignored == 3


def test_keys_are_slugs_of_the_path_with_the_hash_of_the_content(tmp_path: Path) -> None:
    _save(tmp_path / "source" / "Été 2023" / "IMG 1.png")
    key = run_ingest(tmp_path / "source", tmp_path / "data").dataset.keys[0]
    assert key.startswith("t-2023-img-1-") and len(key.rsplit("-", 1)[1]) == 8


@pytest.mark.parametrize(
    ("txt", "document", "item", "description"),
    [
        (b"A cat.\n", None, None, "A cat."),
        (b"\xef\xbb\xbfA cat.", None, None, "A cat."),
        (None, {"item": "cat", "description": "A cat.", "size": [1, 2]}, "cat", "A cat."),
        (None, {"caption": "A cat."}, None, "A cat."),
        (b"From the text.", {"item": "cat"}, "cat", "From the text."),
        (b"From the text.", {"description": "From the JSON."}, None, "From the JSON."),
        (None, {"description": "broken \ud800 half"}, None, "broken ? half"),
        (None, {"item": 7, "description": ["a"]}, None, None),
    ],
)
def test_captions_beside_an_image_are_kept(
    txt: bytes | None, document: object, item: str | None, description: str | None, tmp_path: Path
) -> None:
    image = _save(tmp_path / "source" / "cat.png")
    if txt is not None:
        image.with_suffix(".txt").write_bytes(txt)
    if document is not None:
        image.with_suffix(".json").write_text(json.dumps(document))
    outcome = run_ingest(tmp_path / "source", tmp_path / "data")
    text = outcome.dataset.record(outcome.dataset.keys[0]).info.text
    assert (text.item, text.description) == (item, description)
    assert (outcome.failures, outcome.report.ignored) == ({}, 0)


@pytest.mark.parametrize(
    ("name", "data", "words"),
    [
        ("cat.json", DEEP_JSON, "nested too deeply"),
        ("cat.json", b'{"item": ', "not valid JSON"),
        ("cat.json", b'"cat"', "JSON holds a str"),
        ("cat.json", b" " * (4 * 2**20 + 1), "the limit is"),
        ("cat.txt", b"caf\xe9", "not UTF-8"),
    ],
)
def test_a_caption_that_cannot_be_read_is_on_file_and_its_image_kept(
    name: str, data: bytes, words: str, tmp_path: Path
) -> None:
    _save(tmp_path / "source" / "cat.png")
    (tmp_path / "source" / name).write_bytes(data)
    outcome = run_ingest(tmp_path / "source", tmp_path / "data")
    assert len(outcome.dataset) == 1
    failure = outcome.failures[f"cat.png ({name})"]
    assert failure.error == "unsafe_input" and words in failure.message


def test_patterns_choose_files(tmp_path: Path) -> None:
    for seed, name in enumerate(["2023/a.png", "2023/deep/b.png", "2024/c.png", "d.jpg"]):
        _save(tmp_path / "source" / name, seed)
    names = {
        "2023/*.png": ["a.png"],
        "20*/*.png": ["2023/a.png", "2024/c.png"],
        "**/*.png": ["2023/a.png", "2023/deep/b.png", "2024/c.png"],
        "{2024,d.jpg}": ["2024/c.png", "d.jpg"],
        "20*": ["2023/a.png", "2023/deep/b.png", "2024/c.png"],
    }
    for number, (pattern, expected) in enumerate(names.items()):
        outcome = run_ingest(f"{tmp_path}/source/{pattern}", tmp_path / str(number))
        assert list(outcome.by_name()) == expected, pattern


def test_a_folder_whose_name_looks_like_a_pattern_is_a_folder(tmp_path: Path) -> None:
    _save(tmp_path / "photos [2023]" / "a.png")
    assert len(run_ingest(tmp_path / "photos [2023]", tmp_path / "data").dataset) == 1


def test_a_single_file_needs_no_extension(tmp_path: Path) -> None:
    (tmp_path / "picture").write_bytes(jpeg(1))
    assert list(run_ingest(tmp_path / "picture", tmp_path / "data").by_name()) == ["picture"]


def test_other_file_systems_are_sources_too(tmp_path: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.pipe({"/bucket/photos/a.jpg": jpeg(1), "/bucket/photos/a.txt": b"One."})
    outcome = run_ingest("memory://bucket/photos", tmp_path / "data")
    assert outcome.dataset.record(outcome.dataset.keys[0]).info.text.description == "One."
    assert len(run_ingest("memory://bucket/photos/*.jpg", tmp_path / "pattern").dataset) == 1
