"""Small sources in the layouts in which other datasets are published."""

from __future__ import annotations

import io
import json
from collections.abc import Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from support.ingesting import picture


def photo(seed: int, height: int = 64, width: int = 48) -> bytes:
    """Return a picture that differs from seed to seed, as JPEG."""
    stream = io.BytesIO()
    Image.fromarray(picture(seed, height, width)).save(stream, "JPEG", quality=95)
    return stream.getvalue()


def write_photos(folder: Path, names: Sequence[str], first_seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for seed, name in enumerate(names, first_seed):
        (folder / name).write_bytes(photo(seed))


def write_viton_hd(root: Path) -> Path:
    """Write VITON-HD: two images to train with, one to test with, and a try-on result of each test person.

    Seeds: train images 0 and 1, garments 10 and 11, agnostic persons 20 and 21; in test 30, 40 and 41, 50; result 60.
    """
    train = ["00000_00.jpg", "00001_00.jpg"]
    write_photos(root / "train" / "image", train, 0)
    write_photos(root / "train" / "cloth", train, 10)
    write_photos(root / "train" / "agnostic-v3.2", train, 20)
    (root / "train" / "image-parse-v3").mkdir()
    (root / "train" / "image-parse-v3" / "00000_00.png").write_bytes(photo(70))
    (root / "train_pairs.txt").write_text("00000_00.jpg 00001_00.jpg\n")
    write_photos(root / "test" / "image", ["00006_00.jpg"], 30)
    write_photos(root / "test" / "cloth", ["00006_00.jpg", "08348_00.jpg"], 40)
    write_photos(root / "test" / "agnostic-v3.2", ["00006_00.jpg"], 50)
    write_photos(root / "test" / "tryon", ["00006_00_tryon_catvton_0.jpg"], 60)
    (root / "test_pairs.txt").write_text("00006_00.jpg 08348_00.jpg\n")
    return root


def write_photodoodle(root: Path) -> Path:
    """Write PhotoDoodle: two pairs of one effect by their names, one of another by a line of JSON."""
    write_photos(root / "sksedgeeffect", ["1.jpg", "1_blend.jpg", "34.jpg", "34_blend.jpg"], 0)
    write_photos(root / "sksmagiceffects" / "images", ["before.jpg", "after.jpg"], 10)
    line = {"source": "images/before.jpg", "target": "images/after.jpg", "text": "add a halo by sksmagiceffects"}
    (root / "sksmagiceffects" / "meta.jsonl").write_text(json.dumps(line) + "\n\n")
    return root


def omniedit_row(number: int, task: str, **changes: object) -> dict[str, object]:
    return {
        "omni_edit_id": f"task_{task}_{number}",
        "task": task,
        "src_img": {"bytes": photo(number), "path": None},
        "edited_img": {"bytes": photo(number + 100, 80, 120), "path": None},
        "edited_prompt_list": [f"Do {task}.", f"Please do {task}."],
        "width": 120,
        "height": 80,
        "sc_score_1": 9,
        "o_score": 9.0,
    } | changes


def write_omniedit(root: Path) -> Path:
    """Write OmniEdit: one row of each of three tasks, with the Hub's folder and file name."""
    rows = [omniedit_row(number, task) for number, task in enumerate(("addition", "removal", "env"))]
    (root / "data").mkdir(parents=True)
    pq.write_table(pa.Table.from_pylist(rows), root / "data" / "train-00000-of-00001.parquet", row_group_size=2)
    return root


PUBLISHED = {"viton_hd": write_viton_hd, "photodoodle": write_photodoodle, "omniedit": write_omniedit}
"""What writes a small source, by the name of its catalogue and kind."""
