"""A user's own images as a grid: which are taken, how they are fitted, what is said of them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from graph200k.errors import PlanError
from graph200k.schema import find_task
from sampler.cloze import find_task_or_cloze
from sampler.config import SamplerConfig
from sampler.fit import fit_image
from sampler.grid import cell_size
from sampler.own_images import own_grid, own_instructions, read_images

CONFIG = SamplerConfig(area_px=64**2)
WIDE, TALL, SQUARE = (96, 64), (64, 96), (80, 80)
"""Width and height."""

Save = Callable[..., str]


@pytest.fixture
def save(tmp_path: Path) -> Save:
    """Write images of random pixels; return their names, separated by commas."""

    def run(*images: tuple[str, tuple[int, int]]) -> str:
        for name, (width, height) in images:
            pixels = np.random.default_rng(len(name)).integers(0, 256, (height, width, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(tmp_path / name)
        return ",".join(str(tmp_path / name) for name, _ in images)

    return run


def test_a_query_takes_the_conditions_and_an_example_takes_all_images(save: Save) -> None:
    task = find_task("depth,target")
    example = save(("a_depth.png", WIDE), ("a.png", WIDE))
    own = read_images(task, [example], save(("depth.png", TALL)))
    grid = own_grid(own, CONFIG)
    assert grid.masked.tolist() == [[False, False], [False, True]]
    height, width = cell_size(5, CONFIG.area_px)
    assert grid.shape == (2, ((height, width), (width, height)))
    pixels = np.asarray(Image.open(example.split(",")[1]))
    assert np.array_equal(grid.cell(0, 1), fit_image(pixels, (height, width), "crop"))
    assert not grid.cell(1, 1).any()


@pytest.mark.parametrize(("query", "masked"), [("_,{}", [True, False]), ("{},_", [False, True])])
def test_a_gap_stands_where_an_image_is_wanted(save: Save, query: str, masked: list[bool]) -> None:
    own = read_images(find_task("depth,target"), [], query.format(save(("x.png", WIDE))))
    assert own_grid(own, CONFIG).masked.tolist() == [masked]


@pytest.mark.parametrize(
    ("spec", "query", "masked"),
    [
        ("canny,hed:target", "{x},{x}", [False, False, True]),
        ("target:depth,normal", "{x}", [False, True, True]),
        ("target:depth,normal", "_,{x},_", [True, False, True]),
        ("canny:redux_style,hed", "{x},{x}", [False, False, True, True]),
    ],
)
def test_a_spec_takes_its_conditions_and_generates_all_its_targets(
    save: Save, spec: str, query: str, masked: list[bool]
) -> None:
    own = read_images(find_task_or_cloze(spec), [], query.format(x=save(("x.png", WIDE))))
    assert own_grid(own, CONFIG).masked.tolist() == [masked]
    said = own_instructions(own, "a red fox", 3)
    assert all(f"[IMAGE{number}]" in said.task for number in range(1, len(masked) + 1))
    assert "red fox" in said.content


def test_what_does_not_fit_a_spec_says_how_many_images_it_takes(save: Save) -> None:
    x = save(("x.png", WIDE))
    task = find_task_or_cloze("target:depth,normal")
    with pytest.raises(
        PlanError, match=r"2 images; task target:depth,normal has 3 columns .* the first 1, or 3 with _"
    ):
        read_images(task, [], f"{x},{x}")
    with pytest.raises(PlanError, match="a query 1 with _ for each one"):
        read_images(find_task_or_cloze(":target"), [], f"{x},{x}")


def test_a_style_takes_a_reference_and_an_image(save: Save) -> None:
    task = find_task("canny,redux_style")
    own = read_images(task, [], save(("canny.png", WIDE), ("style.png", TALL)))
    grid = own_grid(own, CONFIG)
    assert [column.role for column in own.columns] == ["", "reference", "image"]
    assert grid.shape == (3, (cell_size(5, CONFIG.area_px),))  # as wide as the edges, whatever the style's shape


def test_a_row_has_the_shape_of_its_photograph_and_a_query_without_images_that_of_the_example(save: Save) -> None:
    task = find_task("reference,depth,target")
    example = save(("ref.png", TALL), ("a_depth.png", SQUARE), ("a.png", WIDE))
    grid = own_grid(read_images(task, [example], "_,_,_"), CONFIG)
    assert grid.shape[1] == (cell_size(5, CONFIG.area_px),) * 2
    assert grid.masked[1].all()


def test_cells_are_square_where_the_settings_or_the_task_ask_for_it(save: Save) -> None:
    square = SamplerConfig(area_px=64**2, shape="square")
    wide = save(("x.png", WIDE))
    assert own_grid(read_images(find_task("depth,target"), [], wide), square).shape[1] == ((64, 64),)
    assert own_grid(read_images(find_task("rotate90,target"), [], wide), CONFIG).shape[1] == ((64, 64),)


@pytest.mark.parametrize(
    ("contexts", "query", "message"),
    [
        ([], "{x},{x},{x}", r"3 images; task depth,target has 2 columns \(depth, target\): an example takes 2 images"),
        (["{x}"], "{x}", r"--context .*x\.png: 1 images; task depth,target has 2 columns"),
        (["{x},_"], "{x}", r"--context .*an example has all its images; _ is for --query alone"),
        ([], "{x},{x}", "nothing is left to generate; put _ where an image is wanted"),
        ([], "_", "expected an image to start from, or a --context"),
        ([], "nowhere.png", r"--query nowhere\.png: nowhere\.png: No such file or directory; expected the files"),
        ([], "{text}", r"notes\.png: "),
    ],
)
def test_what_does_not_fit_the_task_is_an_error_that_says_what_would(
    save: Save, tmp_path: Path, contexts: list[str], query: str, message: str
) -> None:
    names = {"x": save(("x.png", WIDE)), "text": str(tmp_path / "notes.png")}
    (tmp_path / "notes.png").write_text("no image")
    with pytest.raises(PlanError, match=message):
        read_images(find_task("depth,target"), [each.format(**names) for each in contexts], query.format(**names))


def test_everything_is_said_and_content_with_it(save: Save) -> None:
    own = read_images(find_task("depth,target"), [], save(("x.png", WIDE)))
    for picks in range(20):
        said = own_instructions(own, "a red fox in the snow", picks)
        assert "1 row" in said.layout
        assert "[IMAGE1]" in said.task
        assert "[IMAGE2]" in said.content
        assert "red fox in the snow" in said.content
        assert own_instructions(own, "", picks).content == ""


@pytest.mark.parametrize(
    ("name", "query"),
    [
        ("depth_edit,target", "{x}"),
        ("depth_edit,target", "_,{x}"),
        ("target,canny", "{x}"),
        ("canny,redux_style", "{x},{x}"),
    ],
)
def test_content_is_said_of_the_wanted_image_in_every_kind_of_task(save: Save, name: str, query: str) -> None:
    own = read_images(find_task(name), [], query.format(x=save(("x.png", WIDE))))
    for picks in range(10):
        said = own_instructions(own, "a wooden boat", picks).content
        assert said.count("a wooden boat") + said.count("A wooden boat") == 1
