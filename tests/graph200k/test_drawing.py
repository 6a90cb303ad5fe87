import io
import itertools

import networkx as nx
import numpy as np
import pytest
from PIL import Image

from graph200k.catalogue import GRAPH200K
from graph200k.drawing import _HEIGHT, _WIDTH, _box_size, draw_schema, node_positions
from graph200k.schema import schema_graph


def decode(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)).convert("RGB"))


@pytest.fixture(scope="module")
def plain() -> bytes:
    return draw_schema(schema_graph())


def test_picture_is_a_large_png_with_ink_in_every_quarter(plain: bytes) -> None:
    pixels = decode(plain)
    height, width = pixels.shape[:2]
    assert min(height, width) >= 1000
    for rows, columns in itertools.product((slice(0, height // 2), slice(height // 2, None)), repeat=2):
        assert (pixels[rows, columns] != 255).any()


def test_same_graph_gives_the_same_bytes(plain: bytes) -> None:
    assert draw_schema(schema_graph()) == plain


@pytest.mark.parametrize("count", [None, 5_000_000], ids=["names alone", "with counts"])
def test_labels_of_all_node_types_stand_apart_and_within_the_picture(count: int | None) -> None:
    boxes = {}
    for name, (x, y) in node_positions(schema_graph()).items():
        width, height = _box_size([name] if count is None else [name, f"{count:,}"])
        boxes[name] = (x - width / 2, y - height / 2, x + width / 2, y + height / 2)
    assert len(boxes) == 50
    for left, bottom, right, top in boxes.values():
        assert 0 < left < right < _WIDTH
        assert 0.8 < bottom < top < _HEIGHT  # the legend stands below
    for (a, first), (b, second) in itertools.combinations(boxes.items(), 2):
        apart = first[2] < second[0] or second[2] < first[0] or first[3] < second[1] or second[3] < first[1]
        assert apart, f"{a} and {b} overlap"


def test_target_is_in_the_middle_of_the_others() -> None:
    positions = node_positions(schema_graph())
    x, y = positions.pop("target")
    assert x == pytest.approx(_WIDTH / 2)
    assert min(p[0] for p in positions.values()) < x < max(p[0] for p in positions.values())
    assert min(p[1] for p in positions.values()) < y < max(p[1] for p in positions.values())


def test_nodes_of_a_meta_task_stand_together() -> None:
    graph = schema_graph()
    positions = node_positions(graph)
    x, y = positions.pop("target")
    by_angle = sorted(positions, key=lambda name: np.arctan2(positions[name][1] - y, positions[name][0] - x))
    meta_tasks = [graph.nodes[name]["meta_task"] for name in by_angle]
    changes = sum(a != b for a, b in zip(meta_tasks, meta_tasks[1:] + meta_tasks[:1], strict=True))
    assert changes == len(set(meta_tasks))


def test_counts_change_the_picture_and_zero_is_drawn_pale(plain: bytes) -> None:
    some, none = (draw_schema(schema_graph(), {"canny": count}) for count in (7, 0))
    assert len({plain, some, none}) == 3
    assert (decode(none) == 255).sum() > (decode(some) == 255).sum()


def test_a_part_of_the_schema_and_foreign_meta_tasks_can_be_drawn() -> None:
    part = schema_graph().subgraph(["target", "canny"])
    foreign = nx.MultiDiGraph()
    foreign.add_node("garment", meta_task="try-on")
    for graph in (part, foreign, nx.MultiDiGraph()):
        assert draw_schema(graph).startswith(b"\x89PNG")


def test_names_of_the_catalogue_fit_the_estimate_of_letter_width() -> None:
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import TextPath

    font = FontProperties(weight="bold")
    for name in GRAPH200K:
        drawn_inches = TextPath((0, 0), name, size=11, prop=font).get_extents().width / 72
        assert drawn_inches < _box_size([name])[0]
