"""Keys, the record's JSON and availability."""

from __future__ import annotations

import itertools
import json
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graph200k.catalogue import GRAPH200K, Storage
from graph200k.errors import UnsafeInputError
from graph200k.record import (
    MAX_KEY_LENGTH,
    Box,
    Edit,
    Origin,
    Provenance,
    Quality,
    RecordInfo,
    Text,
    availability,
    content_hash,
    is_consistent,
    make_key,
    nodes_stored_by_default,
    sanitise_key,
)

KEY = re.compile(rf"[A-Za-z0-9_-]{{1,{MAX_KEY_LENGTH}}}")
ORIGIN = Origin(name="a.jpg", kind="images", sha256="00" * 32)

provenances = st.builds(
    Provenance,
    node=st.sampled_from([name for name in GRAPH200K if name != "target"]),
    variant=st.none() | st.integers(0, 9),
    role=st.sampled_from(["", "image", "reference"]),
    annotator=st.text(max_size=8),
    seed=st.none() | st.integers(0, 2**62),
)
records = st.builds(
    RecordInfo,
    key=st.just("a"),
    text=st.builds(Text, item=st.none() | st.text(), description=st.none() | st.text(), machine_made=st.booleans()),
    quality=st.builds(Quality, object_consistency=st.none() | st.integers(0, 5)),
    origin=st.just(ORIGIN),
    boxes=st.lists(
        st.builds(
            Box,
            name=st.text(),
            box=st.lists(st.floats(allow_nan=False, allow_infinity=False), max_size=4),
            color=st.lists(st.integers(0, 255), max_size=3),
        ),
        max_size=2,
    ),
    edits=st.lists(
        st.builds(Edit, node=st.text(), variant=st.integers(0, 9), name=st.text(), description=st.text()), max_size=2
    ),
    annotations=st.lists(provenances, max_size=3),
)


@given(records)
def test_record_json_is_read_back_and_written_the_same(info: RecordInfo) -> None:
    again = RecordInfo.from_json(info.to_json())
    assert again == info
    assert again.to_json() == info.to_json()


@given(records)
def test_record_json_has_the_same_keys_whatever_it_holds(info: RecordInfo) -> None:
    assert list(json.loads(info.to_json())) == ["key", "text", "quality", "origin", "boxes", "edits", "annotations"]


@given(st.lists(provenances, max_size=6), st.randoms())
def test_annotations_stand_in_an_order_of_their_own(found: list[Provenance], random: object) -> None:
    unique = list({(entry.node, entry.variant, entry.role): entry for entry in found}.values())
    shuffled = list(unique)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    info = RecordInfo(key="a", origin=ORIGIN)
    assert info.with_annotations(shuffled) == info.with_annotations(unique)


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", b'{"key": "a"}', b'{"key": 1, "origin": {"name": "", "kind": "", "sha256": ""}}',
     b'{"key": "a", "origin": {"name": "", "kind": "", "sha256": ""}, "more": 1}', b"[" * 100_000],
    ids=["empty", "list", "object", "no origin", "number as key", "more than is known", "deep"],
)  # fmt: skip
def test_json_of_another_schema_is_refused_in_one_line(data: bytes) -> None:
    with pytest.raises(UnsafeInputError) as caught:
        RecordInfo.from_json(data)
    assert "\n" not in str(caught.value)


@given(st.text(), st.binary())
def test_a_key_made_from_any_path_is_valid_and_ends_with_its_hash(name: str, content: bytes) -> None:
    digest = content_hash(content).hex()
    key = make_key(name, digest)
    assert KEY.fullmatch(key)
    assert key.endswith("-" + digest[:8])


@given(st.text(st.characters(codec=None), max_size=200))
def test_any_foreign_key_is_made_valid_and_a_valid_one_is_kept(key: str) -> None:
    safe = sanitise_key(key)
    assert KEY.fullmatch(safe)
    assert sanitise_key(safe) == safe
    assert safe == key or not KEY.fullmatch(key)


@given(st.lists(st.text(st.sampled_from("a./ü "), min_size=1, max_size=80), unique=True, min_size=2, max_size=8))
def test_different_foreign_keys_stay_different(keys: list[str]) -> None:
    assert len({sanitise_key(key) for key in keys}) == len(keys)


def test_a_long_path_keeps_its_end() -> None:
    assert make_key("folder/" * 40 + "cat.jpg", "a1b2c3d4").endswith("folder-cat-a1b2c3d4")
    assert make_key("a.b/c", "a1b2c3d4") == "a-b-c-a1b2c3d4"
    assert make_key("...", "a1b2c3d4") == "image-a1b2c3d4"


def test_a_record_without_a_target_serves_what_it_stores_alone() -> None:
    assert GRAPH200K.names(availability([("canny", None, "")])) == ["canny"]
    assert availability([]) == availability([("json", None, "")]) == 0


def test_a_style_counts_when_one_variant_is_a_whole_pair() -> None:
    halves = [("instant_style", 0, "reference"), ("instant_style", 1, "image")]
    assert GRAPH200K.names(availability(halves)) == []
    assert GRAPH200K.names(availability([*halves, ("instant_style", 1, "reference")])) == ["instant_style"]


def test_background_needs_target_and_matte() -> None:
    background = 1 << GRAPH200K.bit("background")
    target, matte = ("target", None, ""), ("foreground", None, "matte")
    for members in itertools.chain.from_iterable(itertools.combinations([target, matte], n) for n in range(3)):
        assert bool(availability(members) & background) == (len(members) == 2)


@pytest.mark.parametrize(("score", "consistent"), [(None, True), (0, False), (2, False), (3, True), (5, True)])
def test_a_reference_counts_from_a_consistency_of_3(score: int | None, consistent: bool) -> None:
    assert is_consistent(Quality(object_consistency=score)) is consistent


def test_stored_nodes_are_those_that_lie_in_shards() -> None:
    assert len(nodes_stored_by_default()) == 16
    assert {GRAPH200K[name].storage for name in nodes_stored_by_default()} == {Storage.STORED}
