"""Whole records with Hugging Face `datasets`, streamed: python examples/datasets_records.py DATASET_FOLDER."""

import json
import sys
from pathlib import Path

from datasets import Features, load_dataset

folder = Path(sys.argv[1])
# Without explicit features, the first record with other members than the ones before it would be an error.
features = Features.from_dict(json.loads((folder / "dataset.json").read_text())["features"])
shards = sorted(str(path) for path in (folder / "shards").glob("*.tar"))
records = load_dataset("webdataset", data_files=shards, features=features, split="train", streaming=True)
for record in records:
    found = [name for name, value in record.items() if name[0] != "_" and name != "json" and value is not None]
    caption = record["json"]["text"]["description"]
    print(f"{record['__key__']}: {record['target.jpg'].size}, {len(found)} images, {caption!r}")
