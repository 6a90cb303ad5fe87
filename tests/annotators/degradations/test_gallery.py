from __future__ import annotations

import numpy as np
from PIL import Image

from annotators.degradations.gallery import draw_gallery, main


def test_the_sheet_has_a_labelled_tile_for_each_of_the_32(photo) -> None:
    sheet = np.asarray(draw_gallery(photo, tile_px=80))
    assert sheet.shape == (4 * 98, 8 * 80, 3)
    for row in range(4):
        for column in range(8):
            tile = sheet[row * 98 : (row + 1) * 98, column * 80 : (column + 1) * 80]
            assert (tile[:18] < 128).any(), "no label"
            assert tile[18:].std() > 5, "no picture"


def test_the_command_writes_a_png(photo, tmp_path) -> None:
    Image.fromarray(photo).save(tmp_path / "photo.png")
    main([str(tmp_path / "photo.png"), str(tmp_path / "sheet.png")])
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG"
