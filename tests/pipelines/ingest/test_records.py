"""Records folders: annotations made elsewhere are kept; what means nothing is said and left out."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graph200k.catalogue import GRAPH200K
from support.ingesting import Outcome, picture, run_ingest
from support.zoo_tars import LINES


def _save(folder: Path, **images: np.ndarray) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, image in images.items():
        Image.fromarray(image).save(folder / f"{name.replace('__', '.')}.png")
    return folder


BLANK = np.zeros((48, 64, 3), np.uint8)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    root = tmp_path_factory.mktemp("records")
    source = root / "source"
    whole = _save(
        source / "whole",
        target=picture(1),
        reference=picture(2, 80, 40),
        canny=LINES,
        openpose=BLANK,
        depth=LINES,
        foreground_mask=LINES,
        instant_style__0__image=picture(3),
        instant_style__0__reference=picture(4, 33, 99),
        fill_edit__3=picture(5),
        sr_x2=picture(6),
    )
    (whole / "text.json").write_text(json.dumps({"item": "a toy", "description": " A toy. ", "author": "x"}))
    (whole / "quality.json").write_text(json.dumps({"objectConsistency": 2, "imageQuality": "high"}))
    odd = _save(source / "odd", target=picture(7), cany=LINES, foreground=LINES, background=LINES, hed=LINES[:20])
    (odd / "notes.md").write_text("Notes.")
    (odd / "text.json").write_text("{")
    _save(source / "no-target", canny=LINES)
    two = _save(source / "two-targets", target=picture(8))
    Image.fromarray(picture(9)).save(two / "target.jpg")
    _save(source / "bad-target" / "deeper", target=picture(10, 10, 10))
    _save(source / "a key.with dots", target=picture(11))
    (source / ".hidden").mkdir()
    (source / ".hidden" / "target.png").write_bytes(b"")
    (source / "README.md").write_text("Records.")
    return run_ingest(source, root / "data")


def test_each_folder_is_a_record_under_its_name(outcome: Outcome) -> None:
    keys = outcome.by_name()
    assert keys["whole"] == "whole"
    assert keys["a key.with dots"].startswith("a-key-with-dots-")
    assert sorted(keys) == ["a key.with dots", "odd", "whole"]


def test_annotations_made_elsewhere_are_marked_as_imported(outcome: Outcome) -> None:
    members = {(found.node, found.variant, found.role): found for found in outcome.dataset.record("whole").members}
    made = {identity for identity, member in members.items() if member.annotator == "imported"}
    assert made == {
        ("reference", None, ""),
        ("canny", None, ""),
        ("openpose", None, ""),
        ("depth", None, ""),
        ("foreground", None, "matte"),
        ("instant_style", 0, "image"),
        ("instant_style", 0, "reference"),
        ("fill_edit", 3, ""),
        ("sr_x2", None, ""),
    }
    assert {found.annotator for found in outcome.dataset.record("whole").info.annotations} == {"imported"}


def test_label_maps_keep_their_pixels_and_channels(outcome: Outcome) -> None:
    assert (outcome.dataset.image("whole", "canny") == LINES[..., 0]).all()
    assert outcome.dataset.image("whole", "depth").shape == (48, 64)
    assert outcome.dataset.image("whole", "openpose").shape == (48, 64, 3)


def test_styles_and_references_may_have_a_size_of_their_own(outcome: Outcome) -> None:
    assert outcome.dataset.image("whole", "instant_style", 0, "reference").shape == (33, 99, 3)
    assert outcome.dataset.image("whole", "reference").shape == (80, 40, 3)


@pytest.mark.parametrize(("node", "usable"), [("openpose", False), ("reference", False), ("canny", True)])
def test_what_says_nothing_is_kept_but_not_usable(outcome: Outcome, node: str, usable: bool) -> None:
    record = outcome.dataset.record("whole")
    assert {member.usable for member in record.members if member.node == node} == {usable}
    assert {found.usable for found in record.info.annotations if found.node == node} == {usable}
    mask = int(outcome.dataset.availability[outcome.dataset.row("whole")])
    assert (node in GRAPH200K.names(mask)) is usable


def test_words_and_scores_are_kept_and_extra_fields_ignored(outcome: Outcome) -> None:
    info = outcome.dataset.record("whole").info
    assert (info.text.item, info.text.description) == ("a toy", "A toy.")
    assert (info.quality.object_consistency, info.quality.image_quality) == (2, None)


@pytest.mark.parametrize(
    ("key", "error", "words"),
    [
        ("odd (cany.png)", "unknown_name", "did you mean canny"),
        ("odd (foreground.png)", "unknown_name", "expected foreground.matte"),
        ("odd (background.png)", "unknown_name", "derived from foreground"),
        ("odd (hed.png)", "size_mismatch", "64×20 px; expected the target's 64×48"),
        ("odd (notes.md)", "unknown_name", "not a file that a record has"),
        ("odd (text.json)", "unsafe_input", "not valid JSON"),
        ("no-target", "bad_record", "no target image"),
        ("two-targets", "bad_record", "2 targets (target.jpg, target.png)"),
        ("bad-target/deeper", "bad_image", "10×10 px"),
    ],
)
def test_what_is_wrong_is_said(outcome: Outcome, key: str, error: str, words: str) -> None:
    failure = outcome.failures[key]
    assert failure.error == error
    assert words in failure.message


def test_nothing_else_fails_and_loose_files_are_counted(outcome: Outcome) -> None:
    assert len(outcome.failures) == outcome.report.failures.total() == 9
    assert outcome.progress[-1] == (6, 3, 6)
    assert outcome.report.ignored == 2


def test_a_single_record_is_a_source_too(tmp_path: Path) -> None:
    outcome = run_ingest(_save(tmp_path / "lone", target=picture(1), canny=LINES), tmp_path / "data")
    assert list(outcome.dataset.keys) == ["lone"]
    assert outcome.dataset.manifest.sources[0].kind == "records"
