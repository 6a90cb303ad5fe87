"""Facts in a record's JSON: told apart by maker, kept through sealing, taken away with their annotator."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from graph200k.commit import index_path
from graph200k.dataset import Dataset
from graph200k.facts import (
    Maker,
    fact_from_json,
    fact_to_json,
    fact_value,
    makers,
    unpack_makers,
    with_fact,
    without_fact,
)
from graph200k.index import INDEX_SCHEMA, read_table
from graph200k.record import FACTS, Box, Edit, Origin, Provenance, RecordInfo, Text
from graph200k.storage import Folder
from graph200k.verify import repair, verify
from pipelines.annotate.plan import Request
from pipelines.annotate.remove import remove
from support.datasets import make_dataset
from support.ingesting import run_ingest
from support.running import annotate_here, assert_clean, sealed_bytes
from support.stating import Boxer, Captioner, DepthRewriter, Painter, Rewriter

BLANK = RecordInfo(key="a", origin=Origin(name="a", kind="images", sha256="00"))
BOX = Box(name="cat", box=[1, 2, 3, 4.5], color=[255, 0, 0], score=0.5)
EDITS = [Edit(node="fill_edit", variant=n, name=f"dog {n}", description="A dog.") for n in (0, 3)]
VALUES = {"text": Text(item="cat"), "boxes": [BOX], "fill_edit.edits": EDITS, "depth_edit.edits": []}


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six records, every second one with a text."""
    data = tmp_path_factory.mktemp("raw") / "data"
    make_dataset(data, 6, shard_size=4, described=lambda number: number % 2 == 0)
    return data


@pytest.fixture
def data(raw: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(raw, tmp_path / "data"))


def infos(data: Path) -> Iterator[RecordInfo]:
    dataset = Dataset(str(data))
    return (dataset.record(key).info for key in dataset.keys)


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_comes_back_from_a_part_as_it_was(name: str) -> None:
    assert fact_from_json(name, fact_to_json(VALUES[name])) == VALUES[name]


@pytest.mark.parametrize("name", FACTS)
def test_a_fact_is_put_in_and_taken_out_beside_the_others(name: str) -> None:
    full = BLANK
    for other in reversed(FACTS):
        full = with_fact(full, other, VALUES[other])
    assert fact_value(full, name) == VALUES[name]
    without = without_fact(full, name)
    assert {other: fact_value(without, other) for other in FACTS if other != name} == {
        other: VALUES[other] for other in FACTS if other != name
    }
    assert with_fact(without, name, VALUES[name]) == full


def test_who_looked_and_found_nothing_made_a_fact_and_a_silent_source_did_not() -> None:
    looked = Provenance(node="boxes", annotator="bbox", fingerprint="12ab", usable=False)
    assert makers(BLANK) == {}
    assert makers(with_fact(BLANK, "text", Text(item="cat"))) == {"text": Maker("imported")}
    assert makers(BLANK.with_annotations([looked])) == {"boxes": Maker("bbox", "12ab")}


def test_a_foreign_index_names_no_facts_that_do_not_exist() -> None:
    assert unpack_makers("canny=evil@1 boxes nonsense= text=a@b@c") == {"boxes": Maker(""), "text": Maker("a", "b@c")}


def test_records_without_a_text_get_one_and_the_others_keep_theirs(data: Path) -> None:
    texts = [info.text for info in infos(data)]
    progress = annotate_here(data, [Captioner()])
    assert progress.runs == {"captioner": 3}
    for before, info in zip(texts, infos(data), strict=True):
        assert info.text == before if before.description else info.text.item == "a scene"
        assert info.text.machine_made == (not before.description)
    assert [used.name for used in Dataset(str(data)).manifest.annotators] == ["captioner"]
    assert verify(str(data)) == []
    assert_clean(data)


def test_a_caption_is_seen_as_done(data: Path) -> None:
    annotate_here(data, [Captioner()])
    before = sealed_bytes(data)
    assert annotate_here(data, [Captioner()]).done == 0
    assert annotate_here(data, [Captioner(item="other")]).done == 0
    assert sealed_bytes(data) == before
    assert annotate_here(data, [Captioner(item="other")], request=Request(redo_stale=True)).done == 3
    assert [info.text.item for info in infos(data)] == [None, "other"] * 3


EVERYTHING = (Boxer(), Captioner(), Painter(), Rewriter(), DepthRewriter())


@pytest.mark.parametrize("order", [(0, 1, 2, 3, 4), (1, 3, 4, 0, 2), (0, 2, 1, 3, 4)], ids=str)
def test_facts_one_after_the_other_are_the_bytes_of_all_at_once(data: Path, order: tuple[int, ...]) -> None:
    later = Path(shutil.copytree(data, data.parent / "later"))
    annotate_here(data, EVERYTHING)
    for count in range(1, 6):
        # Who reads a fact has its maker's fingerprint in its own: the maker goes along, and is done.
        annotate_here(later, [EVERYTHING[number] for number in order[:count]])
    assert sealed_bytes(later) == sealed_bytes(data)
    assert verify(str(data)) == []


def test_an_annotator_sees_the_facts_it_reads_whenever_they_were_made(data: Path) -> None:
    annotate_here(data, EVERYTHING)
    dataset = Dataset(str(data))
    for key in dataset.keys:
        assert (dataset.image(key, "mask") == dataset.image(key, "bbox")).all()
        info = dataset.record(key).info
        shown = [(edit.node, edit.variant, edit.name) for edit in info.edits]
        assert shown == [("fill_edit", 0, "dog 0"), ("fill_edit", 1, "dog 1"), ("depth_edit", 0, "dog 0 dog 1")]
        assert info.edits[0].description.startswith(info.text.description or "nothing")


def test_a_fact_that_is_read_and_missing_is_a_failure_until_it_comes(data: Path) -> None:
    progress = annotate_here(data, [Painter()])
    assert progress.failed == {"painter:missing_input": 6}
    assert annotate_here(data, [Painter()]).done == 0
    assert annotate_here(data, [Boxer(), Painter()]).made == {"bbox": 6, "boxes": 6, "mask": 6}


def test_no_boxes_is_a_fact_and_makes_an_empty_map_that_is_not_usable(data: Path) -> None:
    annotate_here(data, [Boxer(count=0), Painter()])
    assert Dataset(str(data)).node_counts()["mask"] == 0
    usable = {found.node: found.usable for info in infos(data) for found in info.annotations}
    assert usable == {"bbox": False, "mask": False, "boxes": False}
    assert annotate_here(data, [Boxer(count=0), Painter()]).done == 0


@pytest.mark.parametrize(("cls", "had"), [(Boxer, {"bbox": 6, "boxes": 6}), (Captioner, {"text": 3})])
def test_a_fact_goes_with_its_annotator(data: Path, cls: type[Boxer | Captioner], had: dict[str, int]) -> None:
    before = sealed_bytes(data)
    annotate_here(data, [cls()])
    assert remove(str(data), [cls.name]) == had
    assert sealed_bytes(data) == before


def test_redoing_replaces_facts_and_what_was_made_from_them(data: Path) -> None:
    other = Path(shutil.copytree(data, data.parent / "other"))
    annotate_here(data, EVERYTHING)
    annotate_here(other, EVERYTHING, seed=1)
    assert sealed_bytes(data) != sealed_bytes(other)
    progress = annotate_here(data, EVERYTHING, request=Request(redo=frozenset({"boxer", "captioner"})), seed=1)
    assert progress.runs == {"boxer": 6, "captioner": 3, "painter": 6, "rewriter": 6, "depth_rewriter": 6}
    for ours, theirs in zip(infos(data), infos(other), strict=True):
        assert ours.boxes == theirs.boxes


def test_an_index_made_anew_names_the_same_facts(data: Path) -> None:
    annotate_here(data, EVERYTHING)
    before = sealed_bytes(data)
    (data / index_path(0)).unlink()
    assert repair(str(data)) != []
    assert sealed_bytes(data) == before


def test_an_index_that_is_wrong_about_facts_is_found(data: Path) -> None:
    annotate_here(data, [Captioner()])
    folder = Folder(str(data))
    table = read_table(folder, index_path(0), INDEX_SCHEMA)
    place = table.schema.get_field_index("fingerprint")
    pq.write_table(table.set_column(place, "fingerprint", pa.array([""] * len(table))), data / index_path(0))
    assert {problem.member.split(".")[1] for problem in verify(str(data))} == {"json"}


def test_facts_move_to_another_dataset_with_their_makers(data: Path, tmp_path: Path) -> None:
    annotate_here(data, EVERYTHING)
    run_ingest(data, tmp_path / "moved", shard_size=4)
    assert [info.annotations for info in infos(tmp_path / "moved")] == [info.annotations for info in infos(data)]
    assert annotate_here(tmp_path / "moved", EVERYTHING).done == 0
    assert [info.boxes for info in infos(tmp_path / "moved")] == [info.boxes for info in infos(data)]
