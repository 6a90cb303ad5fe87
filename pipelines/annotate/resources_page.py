"""What a worker of each annotator with a model takes, as the table in ``docs/models.md``.

``python -m pipelines.annotate.resources_page docs/models.md`` writes it anew.
"""

from __future__ import annotations

import argparse
import re
from pathlib import Path

from annotators.base import ANNOTATORS
from annotators.models import MODELS
from annotators.pretrained import PretrainedAnnotator

GPU_GB = 80
"""Memory of the GPU of which annotators state their shares."""

_TABLE = re.compile(r"(?<=<!-- resources -->\n).*?(?=<!-- end of resources -->)", re.DOTALL)


def resources_table() -> str:
    """Return the table, a row an annotator, in Markdown."""
    rows = ["| annotator | share of a GPU | GPU memory | memory of the machine | files |", "|---|---|---|---|---|"]
    for name, cls in sorted(ANNOTATORS.items()):
        if issubclass(cls, PretrainedAnnotator):
            own, size = cls.resources, MODELS[cls.pretrained].size_gb
            gpu = f"{own.gpus:g} | {own.gpus * GPU_GB:.0f} GB" if own.gpus else "none | none"
            rows.append(f"| `{name}` | {gpu} | {own.memory_mb / 1000:g} GB | {size:g} GB |")
    return "\n".join(rows) + "\n"


def with_table(page: str) -> str:
    """Return a page with the table between its marks written anew."""
    return _TABLE.sub(lambda _: resources_table(), page)


def main() -> None:
    """Write the table in the page that the command line names."""
    parser = argparse.ArgumentParser(prog="python -m pipelines.annotate.resources_page", description=__doc__)
    parser.add_argument("page", type=Path)
    page = parser.parse_args().page
    page.write_text(with_table(page.read_text(encoding="utf-8")), encoding="utf-8")


if __name__ == "__main__":
    main()
