"""The pixels of a row: the right images, at the right size, each read once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from annotators.degradations import NAMES, degradations, replay
from graph200k.dataset import Dataset
from graph200k.derive import cut_out
from graph200k.errors import DatasetError, MemberNotFoundError, PlanError
from graph200k.parts import write_part
from graph200k.record import Member
from graph200k.session import write_session
from graph200k.storage import Folder
from sampler.cells import Cell, load_row, write_pixels
from sampler.fit import fit_image
from support.datasets import annotation_row, make_dataset
from support.full_datasets import make_full_dataset
from support.pictures import draw_scene

KEY = "scene-0000"
SIZE = (80, 64)


def photograph(number: int) -> np.ndarray:
    """Return a scene of 301×195 px, which no scaled decode divides evenly."""
    return np.asarray(Image.fromarray(draw_scene(number, 120, 80)).resize((301, 195), Image.Resampling.BICUBIC))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("cells") / "data"
    make_dataset(data, 2, draw=photograph)
    matte = np.zeros((195, 301), np.uint8)
    matte[40:150, 100:200] = 255
    edges = np.zeros((195, 301), np.uint8)
    edges[::20] = 255
    rows = [
        annotation_row(KEY, 0, "canny", edges),
        annotation_row(KEY, 0, "depth", photograph(3)[..., 1].copy()),
        annotation_row(KEY, 0, "foreground", matte, role="matte"),
        *(
            annotation_row(KEY, 0, "instant_style", photograph(10 + number), variant=number, role=role, usable=usable)
            for number, role, usable in [
                (0, "reference", True),
                (0, "image", True),
                (1, "image", True),
                (2, "reference", True),
                (2, "image", False),
                (4, "reference", True),
                (4, "image", True),
            ]
        ),
        annotation_row(KEY, 0, "jpeg", photograph(20)),
    ]
    with write_session(str(data), shard_size=8) as session:
        write_part(session.folder, session.run, 0, "annotate-0", rows)
        session.seal(0)
    return data


@pytest.fixture
def dataset(data: Path) -> Dataset:
    return Dataset(str(data))


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Return the list to which each member read is added."""
    seen: list[str] = []
    read = Dataset.read

    def noting(self: Dataset, member: Member, shard: int) -> bytes:
        seen.append(f"{member.node}.{member.role}".strip("."))
        return read(self, member, shard)

    monkeypatch.setattr(Dataset, "read", noting)
    return seen


def column(row: np.ndarray, number: int) -> np.ndarray:
    return row[:, number * SIZE[1] : (number + 1) * SIZE[1]]


def test_images_stand_side_by_side_in_the_order_of_the_cells(dataset: Dataset) -> None:
    cells = [Cell(KEY, "canny"), Cell(KEY, "target"), Cell(KEY, "instant_style", 4, "reference")]
    row = load_row(dataset, 0, cells, SIZE, "crop")
    assert (row.shape, row.dtype) == ((80, 192, 3), np.uint8)
    assert row.flags.c_contiguous and row.flags.writeable and row.flags.owndata
    for number, cell in enumerate(cells):
        image = dataset.image(KEY, cell.node, cell.variant, cell.role)
        pixels = dataset.catalogue[cell.node].pixels
        expected = fit_image(image, SIZE, "crop", pixels=pixels)
        expected = expected if expected.ndim == 3 else np.repeat(expected[..., None], 3, 2)
        assert np.abs(column(row, number).astype(int) - expected).mean() < 1  # scaled decoding


def test_a_row_reads_the_members_it_shows_and_each_once(dataset: Dataset, reads: list[str]) -> None:
    params = degradations["gaussian_noise"]().draw(np.random.default_rng(0))
    cells = [
        Cell(KEY, "gaussian_noise", params=params),
        Cell(KEY, "foreground"),
        Cell(KEY, "background"),
        Cell(KEY, "target"),
    ]
    load_row(dataset, 0, cells, SIZE, "crop")
    assert sorted(reads) == ["foreground.matte", "target"]
    reads.clear()
    load_row(dataset, 0, [Cell(KEY, "depth")], SIZE, "crop")
    assert reads == ["depth"]


def test_no_cell_changes_another(dataset: Dataset) -> None:
    cells = [Cell(KEY, name, params=degradations[name]().draw(np.random.default_rng(0))) for name in NAMES]
    square = (64, 64)
    row = load_row(dataset, 0, [*cells, Cell(KEY, "target")], square, "crop")
    alone = load_row(dataset, 0, [Cell(KEY, "target")], square, "crop")
    assert np.array_equal(row[:, -64:], alone)
    for number, cell in enumerate(cells):
        expected = replay(alone, cell.node, dict(cell.params or {}))
        assert np.array_equal(row[:, number * 64 : (number + 1) * 64], expected)


@pytest.mark.parametrize("side", [33, 2100])
@pytest.mark.parametrize("mode", ["L", "RGB"])
def test_pixels_are_written_where_they_belong_and_nowhere_else(side: int, mode: str) -> None:
    rng = np.random.default_rng(0)
    shape = (side, side) if mode == "L" else (side, side, 3)
    picture = Image.fromarray(rng.integers(0, 256, shape, dtype=np.uint8))
    whole = np.full((side, side + 7, 3), 99, np.uint8)
    write_pixels(picture, whole[:, 3:-4])  # beyond 16 MB Pillow's memory is in pieces
    assert np.array_equal(whole[:, 3:-4], np.asarray(picture.convert("RGB")))
    assert (whole[:, :3] == 99).all() and (whole[:, -4:] == 99).all()


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_the_halves_are_cut_out_of_the_target_as_it_is_shown(dataset: Dataset, fit: str) -> None:
    cells = [Cell(KEY, node) for node in ("target", "foreground", "background")]
    row = load_row(dataset, 0, cells, SIZE, fit)  # type: ignore[arg-type]
    target, foreground, background = (column(row, number) for number in range(3))
    matte = load_row(dataset, 0, [Cell(KEY, "foreground", role="matte")], SIZE, fit)[..., 0]  # type: ignore[arg-type]
    assert np.array_equal(foreground, cut_out(target, matte, keep="foreground"))
    assert np.array_equal(background, cut_out(target, matte, keep="background"))
    assert foreground.any() and background.any()


def test_a_quarter_turn_of_a_cell_that_is_no_square_is_refused(dataset: Dataset) -> None:
    with pytest.raises(PlanError, match="rotate270 turns cells of 64×80 px; rows with it need square cells"):
        load_row(dataset, 0, [Cell(KEY, "rotate270", params={})], SIZE, "crop")


def test_an_online_type_without_parameters_is_read_where_it_is_stored(dataset: Dataset) -> None:
    stored = load_row(dataset, 0, [Cell(KEY, "jpeg")], SIZE, "crop")
    assert np.abs(stored.astype(int) - fit_image(dataset.image(KEY, "jpeg"), SIZE, "crop")).mean() < 1
    with pytest.raises(MemberNotFoundError, match="drawn online"):
        load_row(dataset, 0, [Cell(KEY, "rain")], SIZE, "crop")


def test_an_image_that_a_record_lacks_is_named(dataset: Dataset) -> None:
    with pytest.raises(MemberNotFoundError, match="record 'scene-0001' has no stored canny"):
        load_row(dataset, 1, [Cell("scene-0001", "canny")], SIZE, "crop")


def test_cells_of_another_record_are_refused(dataset: Dataset) -> None:
    with pytest.raises(ValueError, match="cells of scene-0001 in the row of record 'scene-0000'"):
        load_row(dataset, 0, [Cell("scene-0001", "target")], SIZE, "crop")


def test_variants_are_those_with_all_their_images_usable(dataset: Dataset) -> None:
    assert dataset.variants(0, "instant_style") == [0, 4]
    assert dataset.variants(1, "instant_style") == []
    assert dataset.variants(0, "canny") == []


def test_a_damaged_member_is_an_error_that_names_it(data: Path, tmp_path: Path) -> None:
    copy = Folder(str(tmp_path / "copy"))
    for path in data.rglob("*"):
        if path.is_file():
            with copy.writer(path.relative_to(data).as_posix()) as file:
                file.write(path.read_bytes())
    dataset = Dataset(str(tmp_path / "copy"))
    member = dataset.member(0, "canny")
    shard = next((tmp_path / "copy" / "shards").glob("*.tar"))
    content = bytearray(shard.read_bytes())
    content[member.offset + 30] ^= 255
    shard.write_bytes(content)
    with pytest.raises(DatasetError, match="canny of 'scene-0000' is damaged"):
        load_row(dataset, 0, [Cell(KEY, "canny")], SIZE, "crop")
    assert load_row(dataset, 0, [Cell(KEY, "target")], SIZE, "crop").any()


def test_halves_are_cut_out_as_the_dataset_cuts_them(tmp_path: Path) -> None:
    make_full_dataset(tmp_path, 3, sizes=((64, 64),))
    dataset = Dataset(str(tmp_path))
    key = str(dataset.keys[0])
    for node in ("foreground", "background"):
        shown = load_row(dataset, 0, [Cell(key, node)], (64, 64), "crop")
        assert np.array_equal(shown, dataset.image(key, node))
