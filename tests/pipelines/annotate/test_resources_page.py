from pathlib import Path

from annotators.depth import Depth
from pipelines.annotate.config import PRESETS
from pipelines.annotate.resources_page import GPU_GB, resources_table, with_table

PAGE = Path(__file__).parents[3] / "docs" / "models.md"


def test_the_table_in_docs_is_up_to_date() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert with_table(page) == page, "run python -m pipelines.annotate.resources_page docs/models.md"
    assert resources_table() in page


def test_a_row_says_what_its_annotator_states() -> None:
    (row,) = (row for row in resources_table().splitlines() if row.startswith("| `depth` |"))
    share, memory = Depth.resources.gpus, Depth.resources.memory_mb
    assert f"| {share:g} | {share * GPU_GB:.0f} GB | {memory / 1000:g} GB |" in row
    assert {f"`{name}`" in resources_table() for name in PRESETS["paper"] if name != "canny"} == {True}
