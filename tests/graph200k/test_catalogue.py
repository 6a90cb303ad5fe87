"""Every entry of the catalogue keeps the promises that the rest of the project builds on."""

from __future__ import annotations

import re

import pytest

from graph200k.catalogue import DEGRADATIONS, GRAPH200K, Catalogue, Codec, MetaTask, NodeType, Storage
from graph200k.errors import UnknownNameError, UnsafeInputError
from graph200k.index import INDEX_SCHEMA
from graph200k.record import MAX_KEY_LENGTH, Member, availability, member_name, member_order, parse_member_name

NAMES = list(GRAPH200K)
VARIANTS = (0, 4, 999)

LOSSLESS = {"canny", "mlsd", "segmentation", "openpose", "sam2_mask", "bbox", "mask", "foreground"}
"""Label-like maps (design, Sec. 3); the derived background is stored nowhere."""


def members_of(entry: NodeType) -> list[tuple[str, int | None, str]]:
    """Return node, variant and role of members that a record can have of a node type."""
    variants = VARIANTS if entry.has_variants else (None,)
    return [(entry.name, variant, role) for variant in variants for role in (*entry.roles, *entry.raw_roles)]


@pytest.mark.parametrize("name", NAMES)
def test_name_is_snake_case_and_the_key_of_its_entry(name: str) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9]*(_[a-z0-9]+)*", name)
    assert GRAPH200K[name].name == name


@pytest.mark.parametrize("name", NAMES)
def test_label_like_maps_are_lossless_and_photographs_are_jpeg(name: str) -> None:
    entry = GRAPH200K[name]
    if entry.storage is not Storage.DERIVED:
        assert entry.codec is (Codec.PNG if name in LOSSLESS else Codec.JPEG)
    assert entry.channels == (1 if name in {"canny", "hed", "mlsd", "depth", "foreground"} else 3)


@pytest.mark.parametrize("name", NAMES)
def test_roles_are_names_of_file_name_parts(name: str) -> None:
    roles = GRAPH200K[name].roles
    assert len(set(roles)) == len(roles) >= 1
    assert roles == ("",) or all(re.fullmatch(r"[a-z]+", role) for role in roles)


@pytest.mark.parametrize("name", NAMES)
def test_raw_images_have_one_channel_and_a_role_of_their_own(name: str) -> None:
    entry = GRAPH200K[name]
    assert not set(entry.raw_roles) & set(entry.roles)
    assert all(re.fullmatch(r"[a-z]+", role) for role in entry.raw_roles)
    assert not entry.raw_roles or (entry.channels == 1 and entry.storage is Storage.STORED)


@pytest.mark.parametrize("name", NAMES)
def test_hub_column_names_what_tells_its_images_apart(name: str) -> None:
    entry = GRAPH200K[name]
    placeholders = set(re.findall(r"\{(\w+)\}", entry.hub_name or ""))
    if entry.hub_name is None:
        assert entry.storage is not Storage.STORED
    else:
        assert ("variant" in placeholders) == entry.has_variants
        assert ("role" in placeholders) == (len(entry.roles) > 1)
        assert placeholders <= {"variant", "role"}


def test_hub_columns_are_those_of_the_release_and_no_two_are_the_same() -> None:
    columns = [entry.hub_name for entry in GRAPH200K.values() if entry.hub_name]
    assert len(set(columns)) == len(columns) == 17
    assert {"ref", "uniformer", "qwen_2_5_mask", "qwen_2_5_bounding_box", "DepthEdit"} <= set(columns)


@pytest.mark.parametrize("name", NAMES)
def test_an_alias_is_no_name_and_stands_for_one_node(name: str) -> None:
    assert GRAPH200K.resolve(name) == name
    for alias in GRAPH200K[name].aliases:
        assert alias not in GRAPH200K
        assert GRAPH200K.resolve(alias) == name
        assert sum(alias in entry.aliases for entry in GRAPH200K.values()) == 1


@pytest.mark.parametrize("name", NAMES)
def test_longest_member_name_fits_a_plain_tar_header(name: str) -> None:
    for member in members_of(GRAPH200K[name]):
        assert len(member_name("k" * MAX_KEY_LENGTH, *member).encode()) <= 100


@pytest.mark.parametrize("name", NAMES)
def test_member_names_are_read_back(name: str) -> None:
    for member in members_of(GRAPH200K[name]):
        assert parse_member_name(member_name("cat-1a2b3c4d", *member)) == ("cat-1a2b3c4d", *member)


@pytest.mark.parametrize("name", NAMES)
def test_bit_and_mask_name_the_node_and_no_other(name: str) -> None:
    assert GRAPH200K.mask([name]) == 1 << GRAPH200K.bit(name)
    assert GRAPH200K.names(GRAPH200K.mask([name])) == [name]


@pytest.mark.parametrize("name", NAMES)
def test_a_node_is_available_exactly_when_all_it_needs_is_there(name: str) -> None:
    entry = GRAPH200K[name]
    target = [("target", None, "")]
    if entry.storage is Storage.ONLINE:
        assert availability(target) >> GRAPH200K.bit(name) & 1
        return
    needed = [GRAPH200K[node] for node in entry.derived_from] or [entry]
    members = [(node.name, 0 if node.has_variants else None, role) for node in needed for role in node.roles]
    assert availability([*target, *members]) >> GRAPH200K.bit(name) & 1
    if name != "target":
        assert not availability([*target, *members[:-1]]) >> GRAPH200K.bit(name) & 1


def test_bits_are_part_of_the_disk_format_and_do_not_move() -> None:
    stored = (
        "target reference canny hed mlsd segmentation depth normal openpose sam2_mask foreground background bbox mask"
    )
    assert NAMES[:18] == [*stored.split(), "instant_style", "redux_style", "fill_edit", "depth_edit"]
    assert NAMES[18:] == DEGRADATIONS


def test_members_stand_in_catalogue_order_with_the_json_last() -> None:
    everything = [member for entry in GRAPH200K.values() for member in members_of(entry)]
    shuffled = [("json", None, ""), *reversed(everything)]
    ordered = sorted(shuffled, key=lambda member: member_order(*member))
    assert [node for node, _, _ in ordered[:3]] == ["target", "reference", "canny"]
    assert ordered[-1] == ("json", None, "")
    styles = [member for member in ordered if member[0] == "instant_style"]
    assert styles[:3] == [
        ("instant_style", 0, "image"),
        ("instant_style", 0, "reference"),
        ("instant_style", 4, "image"),
    ]


def test_every_meta_task_and_storage_is_used() -> None:
    assert {entry.meta_task for entry in GRAPH200K.values()} == set(MetaTask)
    assert {entry.storage for entry in GRAPH200K.values()} == set(Storage)


@pytest.mark.parametrize(
    "name",
    ["", "a", "a.png", "a.canny.jpg", "a.canny", "a.unknown.png", "a.canny.x.png", "a.canny.0.png", ".canny.png",
     "a.fill_edit.jpg", "a.fill_edit.01.jpg", "a.fill_edit.٣.jpg", "a.fill_edit.99999.jpg", "a.fill_edit.-1.jpg",
     f"a.fill_edit.{'9' * 5000}.jpg", "a.instant_style.0.jpg", "a.instant_style.0.reference.png",
     "a.instant_style.reference.0.jpg", "a.foreground.png", "a/b.canny.png", "a.json.json", "é.json",
     "k" * 100 + ".json"],
    ids=lambda name: name[:40],
)  # fmt: skip
def test_what_is_no_member_name_is_refused(name: str) -> None:
    with pytest.raises(UnsafeInputError, match="is no name of a member"):
        parse_member_name(name)


def test_an_unknown_node_type_names_the_closest() -> None:
    with pytest.raises(UnknownNameError, match="unknown node type 'cany'; did you mean canny"):
        GRAPH200K["cany"]
    with pytest.raises(UnknownNameError):
        GRAPH200K.mask(["target", "cany"])


def test_a_catalogue_refuses_a_name_twice_an_unknown_name_and_a_65th_entry() -> None:
    target = NodeType(name="target", meta_task=MetaTask.TARGET)
    with pytest.raises(ValueError, match="stands twice"):
        Catalogue("x", [target, target])
    with pytest.raises(ValueError, match="unknown node types: \\['nothing'\\]"):
        Catalogue("x", [NodeType(name="target", meta_task=MetaTask.TARGET, generates=frozenset({"nothing"}))])
    with pytest.raises(ValueError, match="hold 64"):
        Catalogue("x", [NodeType(name=f"n{number}", meta_task=MetaTask.RESTORATION) for number in range(65)])


def test_a_member_is_what_the_index_says_in_that_order() -> None:
    assert list(Member.__slots__) == INDEX_SCHEMA.names
