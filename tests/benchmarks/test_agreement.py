from pathlib import Path

import cv2
import numpy as np
import pytest

from annotators.lines import canny_edges
from annotators.normals import normal_map
from annotators.pose_drawing import draw_poses
from benchmarks import agreement
from graph200k.catalogue import Codec
from graph200k.codecs import decode_image, encode_image


def circle_of_joints(side: int) -> np.ndarray:
    turns = np.arange(18) * 2 * np.pi / 18
    return np.column_stack([np.cos(turns), np.sin(turns)]) * side * 0.4 + side / 2


def test_a_line_two_pixels_off_is_found_within_two() -> None:
    line = np.zeros((32, 32), np.uint8)
    line[10] = 255
    assert agreement.measure_edges(line, np.roll(line, 2, axis=0)) == {"F1 ±0 px": 0, "F1 ±1 px": 0, "F1 ±2 px": 1}


@pytest.mark.parametrize(("other", "expected"), [(0, 1.0), (255, 0.0)])
def test_nothing_agrees_with_nothing_alone(other: int, expected: float) -> None:
    nothing = np.zeros((8, 8), np.uint8)
    assert agreement.measure_edges(nothing, np.full_like(nothing, other))["F1 ±2 px"] == expected


def test_soft_edges_are_cut_at_the_best_level() -> None:
    theirs = np.zeros((32, 32), np.uint8)
    theirs[10] = 255
    ours = theirs // 4 + 3
    scores = agreement.measure_soft_edges(ours, theirs)
    assert scores["F1 ±0 px"] == 1
    assert scores["correlation"] == pytest.approx(1)


def test_half_a_matte() -> None:
    theirs = np.full((8, 8), 255, np.uint8)
    ours = theirs.copy()
    ours[:4] = 0
    assert agreement.measure_matte(ours, theirs) == {"IoU": 0.5, "MAE": 0.5}


def test_depth_agrees_at_any_scale_and_shift_but_not_upside_down() -> None:
    ramp = np.arange(100, 160, dtype=np.uint8).reshape(6, 10)
    moved = agreement.measure_depth(ramp, 2 * (ramp - 100) + 50)
    assert moved["error at best scale and shift"] == pytest.approx(0, abs=1e-9)
    assert moved["scale-invariant log error"] > 0.1  # a shift does matter to this one
    turned = agreement.measure_depth(ramp, np.uint8([[10, 200]]).repeat(30).reshape(6, 10))
    assert turned["error at best scale and shift"] > 0.05


def test_depth_error_is_that_of_the_formula() -> None:
    ours, theirs = np.uint8([[0, 0, 1, 1]]), np.uint8([[0, 1, 0, 1]])
    scores = agreement.measure_depth(ours, theirs)
    assert scores["scale-invariant log error"] == pytest.approx(np.log(2) / np.sqrt(2))
    assert scores["error at best scale and shift"] == pytest.approx(0.5 / 255)


@pytest.mark.parametrize("degrees", [0, 10, 45, 90])
def test_normals_differ_by_the_angle_they_are_turned_by(degrees: int) -> None:
    angle = np.radians(degrees)
    front = normal_map(np.tile([0.0, 0.0, 1.0], (4, 4, 1)))
    turned = normal_map(np.tile([np.sin(angle), 0.0, np.cos(angle)], (4, 4, 1)))
    scores = agreement.measure_normals(front, turned)
    assert scores["mean angle, °"] == pytest.approx(degrees, abs=1)
    assert scores["within 11.25°"] == (degrees < 11)


@pytest.mark.parametrize("side", [256, 512, 1024])
@pytest.mark.parametrize("codec", Codec)
def test_joints_are_read_back_from_a_drawing(side: int, codec: Codec) -> None:
    joints = circle_of_joints(side)
    drawn = decode_image(encode_image(draw_poses([joints], side, side), codec), channels=3)
    read = agreement.read_joints(drawn)
    assert sorted(read[:, 0]) == list(range(18))
    assert np.abs(read[np.argsort(read[:, 0]), 1:] - joints).max() < 1.5


def test_poses_agree_in_either_order_of_channels() -> None:
    drawn = draw_poses([circle_of_joints(512)], 512, 512)
    for theirs in (drawn, np.ascontiguousarray(drawn[:, :, ::-1])):
        scores = agreement.measure_pose(drawn, theirs)
        assert (scores["PCK 2.5%"], scores["their joints"]) == (1, 18)


def test_nobody_found_scores_nothing() -> None:
    drawn = draw_poses([circle_of_joints(512)], 512, 512)
    scores = agreement.measure_pose(np.zeros_like(drawn), drawn)
    assert (scores["PCK 10.0%"], scores["our joints"]) == (0, 0)


def test_a_records_folder_becomes_a_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    image = cv2.circle(np.zeros((512, 512, 3), np.uint8), (200, 200), 90, (200, 30, 20), -1)
    record = tmp_path / "one"
    record.mkdir()
    (record / "target.png").write_bytes(encode_image(image, Codec.PNG))
    (record / "canny.png").write_bytes(encode_image(canny_edges(image), Codec.PNG))
    (record / "text.json").write_text("{}")
    monkeypatch.setattr("sys.argv", ["agreement", str(tmp_path)])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no weights"))
    agreement.main()
    assert "| `canny` | 512 px | 1 | F1 ±0 px | 1 | 1 | 1 |" in capsys.readouterr().out


def test_a_folder_without_annotations_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.argv", ["agreement", str(tmp_path)])
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "no weights"))
    agreement.main()
    assert "nothing to compare" in capsys.readouterr().out


def test_maps_made_before_are_compared_record_by_record(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    ramp = np.arange(64, dtype=np.uint8)[None].repeat(64, axis=0)
    for folder, names in (("theirs", ("one", "two")), ("ours", ("one",))):
        for name in names:
            (tmp_path / folder / name).mkdir(parents=True)
            (tmp_path / folder / name / "target.png").write_bytes(encode_image(np.dstack([ramp] * 3), Codec.PNG))
            (tmp_path / folder / name / "depth.png").write_bytes(encode_image(ramp, Codec.PNG))
    monkeypatch.setattr("sys.argv", ["agreement", str(tmp_path / "theirs"), "--ours", str(tmp_path / "ours")])
    agreement.main()
    assert "| `depth` | 64 px | 1 | scale-invariant log error | 0 | 0 | 0 |" in capsys.readouterr().out
