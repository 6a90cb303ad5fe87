"""Whole records with the `webdataset` library: python examples/webdataset_records.py DATASET_FOLDER."""

import sys
from pathlib import Path

import webdataset

shards = sorted(str(path) for path in Path(sys.argv[1], "shards").glob("*.tar"))
# Records may lack members, so ask with .get; "rgb8" decodes images to uint8 arrays, H×W×3.
records = webdataset.WebDataset(shards, shardshuffle=False).shuffle(100, seed=0).decode("rgb8")
pairs = ((record["canny.png"], record["target.jpg"]) for record in records if "canny.png" in record)
for number, (canny, target) in enumerate(pairs, start=1):
    print(f"pair {number}: canny {canny.shape} -> target {target.shape}")
