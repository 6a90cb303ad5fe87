"""A picture of a schema graph: the target in the middle, the other node types round it by meta-task."""

from __future__ import annotations

import io
import math
from collections.abc import Mapping, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

import networkx as nx
import numpy as np

from graph200k.catalogue import MetaTask
from graph200k.schema import EdgeKind

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.patches import Patch

_COLOURS = {
    MetaTask.TARGET: "#444444",
    MetaTask.IP_PRESERVATION: "#c2185b",
    MetaTask.CONDITIONAL_GENERATION: "#1f6fb5",
    MetaTask.STYLE_TRANSFER: "#7b3fa0",
    MetaTask.IMAGE_EDITING: "#2e8b57",
    MetaTask.RESTORATION: "#d2691e",
}
_OTHER_COLOUR = "#777777"
"""For meta-tasks of other catalogues."""

# All in inches: the axes cover the whole figure at one unit an inch, so that text and boxes fit by arithmetic.
_WIDTH, _HEIGHT, _DPI = 22.0, 14.0, 100
_CENTRE = (_WIDTH / 2, _HEIGHT / 2 + 0.45)
_RINGS = ((7.8, 4.7), (9.8, 6.1))
"""Half axes of the two ellipses that neighbours alternate between, so that labels have room."""
_FONT_PT = 11
_LETTER_WIDTH = 0.101
_BOX_HEIGHT = 0.34
_GAP_SLOTS = 1.0
"""Empty space between two groups, in average places."""


def draw_schema(graph: nx.MultiDiGraph, counts: Mapping[str, int] | None = None) -> bytes:
    r"""Return a PNG of a schema graph.

    Colour says the meta-task, the kind of line the kind of edge: faint for ``annotates`` (one line for both
    directions), arrows for ``generate``, dashed for ``combine``.

    Parameters
    ----------
    graph
        A graph as :func:`graph200k.schema.schema_graph` returns it, or a part of one.
    counts
        Records by node type, written under the names; a node type with 0 is drawn pale, one that is missing from the
        mapping has no number.

    Examples
    --------
    >>> from graph200k.schema import schema_graph
    >>> draw_schema(schema_graph(), {"target": 64, "canny": 60})[:4]
    b'\x89PNG'
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH, _HEIGHT), dpi=_DPI, facecolor="white")
    FigureCanvasAgg(figure)
    axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
    axes.set(xlim=(0, _WIDTH), ylim=(0, _HEIGHT))
    axes.axis("off")
    boxes = _draw_nodes(axes, graph, counts)
    _draw_edges(axes, graph, boxes)
    _draw_legend(figure, graph)
    stream = io.BytesIO()
    # Without the "Software" entry the bytes do not change with matplotlib's version alone.
    figure.savefig(stream, format="png", metadata={"Software": None})
    return stream.getvalue()


def node_positions(graph: nx.MultiDiGraph) -> dict[str, tuple[float, float]]:
    """Return where each node stands, in inches from the lower left: the target in the centre, the others round it.

    Nodes of one meta-task stand together, groups in the graph's order, clockwise from the top.

    Examples
    --------
    >>> graph = nx.MultiDiGraph()
    >>> graph.add_node("target", meta_task="target")
    >>> graph.add_node("canny", meta_task="conditional generation")
    >>> positions = node_positions(graph)
    >>> positions["target"] == _CENTRE, positions["canny"] != _CENTRE
    (True, True)
    """
    groups = _groups(graph)
    total = sum(_GAP_SLOTS + sum(map(_slots, group)) for group in groups)
    positions = {name: _CENTRE for name in graph if _meta_task(graph, name) == MetaTask.TARGET}
    place = _GAP_SLOTS / 2
    for group in groups:
        for number, name in enumerate(group):
            positions[name] = _on_ellipse((place + _slots(name) / 2) / total, _RINGS[(number + 1) % 2])
            place += _slots(name)
        place += _GAP_SLOTS
    return positions


def _slots(name: str) -> float:
    """Return how much of the way round a node takes; about 1, more for names longer than a count of nine characters."""
    return 0.7 + 0.03 * max(len(name), 9)


def _meta_task(graph: nx.MultiDiGraph, name: str) -> str:
    return str(graph.nodes[name].get("meta_task", ""))


def _groups(graph: nx.MultiDiGraph) -> list[list[str]]:
    """Return the nodes other than the target by meta-task, both in the graph's order."""
    first_seen = list(dict.fromkeys(_meta_task(graph, name) for name in graph))
    names = sorted(graph, key=lambda name: first_seen.index(_meta_task(graph, name)))
    grouped = groupby(names, key=lambda name: _meta_task(graph, name))
    return [list(members) for meta_task, members in grouped if meta_task != MetaTask.TARGET]


def _on_ellipse(fraction: float, half_axes: tuple[float, float]) -> tuple[float, float]:
    """Return the point after ``fraction`` of the way round, clockwise from the top, in equal steps of length.

    Equal angles would crowd the flat parts above and below, where wide labels stand side by side.
    """
    angles = np.linspace(math.pi / 2, math.pi / 2 - 2 * math.pi, 721)
    x, y = half_axes[0] * np.cos(angles), half_axes[1] * np.sin(angles)
    lengths = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(x), np.diff(y)))])
    at = fraction * lengths[-1]
    return _CENTRE[0] + float(np.interp(at, lengths, x)), _CENTRE[1] + float(np.interp(at, lengths, y))


def _colour(meta_task: str) -> str:
    return next((colour for known, colour in _COLOURS.items() if known == meta_task), _OTHER_COLOUR)


def _draw_nodes(axes: Axes, graph: nx.MultiDiGraph, counts: Mapping[str, int] | None) -> dict[str, Patch]:
    """Draw a box with its label for each node and return the boxes, at which arrows end."""
    boxes = {}
    for name, (x, y) in node_positions(graph).items():
        count = None if counts is None else counts.get(name)
        label = [name] if count is None else [name, f"{count:,}"]
        boxes[name] = _draw_box(axes, label, (x, y), _meta_task(graph, name), pale=count == 0)
    return boxes


def _draw_box(axes: Axes, label: Sequence[str], centre: tuple[float, float], meta_task: str, *, pale: bool) -> Patch:
    from matplotlib.patches import Circle, FancyBboxPatch

    colour = _colour(meta_task)
    is_target = meta_task == MetaTask.TARGET
    width, height = _box_size(label)
    style: dict[str, Any] = {
        "facecolor": "white" if pale else colour,
        "edgecolor": colour,
        "linestyle": ":" if pale else "-",
        "linewidth": 1.2,
        "zorder": 3,
    }
    # The target is round and large: half a hundred arrowheads end at it.
    box: Patch = (
        Circle(centre, 0.95, **style)
        if is_target
        else FancyBboxPatch(
            (centre[0] - width / 2, centre[1] - height / 2),
            width,
            height,
            boxstyle="round,pad=0,rounding_size=0.1",
            **style,
        )
    )
    axes.add_patch(box)
    axes.text(*centre, "\n".join(label), ha="center", va="center", zorder=4, linespacing=1.15, weight="bold",
              fontsize=_FONT_PT + 5 * is_target, color=colour if pale else "white")  # fmt: skip
    return box


def _box_size(label: Sequence[str]) -> tuple[float, float]:
    """Return width and height of the box round a label."""
    return max(map(len, label)) * _LETTER_WIDTH + 0.18, _BOX_HEIGHT + 0.2 * (len(label) - 1)


def _draw_edges(axes: Axes, graph: nx.MultiDiGraph, boxes: Mapping[str, Patch]) -> None:
    drawn: set[frozenset[str]] = set()
    for start, end, kind in graph.edges(keys=True):
        if kind == EdgeKind.ANNOTATES:
            if frozenset({start, end}) in drawn:
                continue
            drawn.add(frozenset({start, end}))
        # Edges between a node and the target have the colour of the node.
        near = end if _meta_task(graph, start) == MetaTask.TARGET else start
        _draw_edge(axes, boxes[start], boxes[end], kind, _colour(_meta_task(graph, near)))


def _draw_edge(axes: Axes, start: Patch, end: Patch, kind: str, colour: str) -> None:
    from matplotlib.patches import FancyArrowPatch

    styles: dict[str, dict[str, Any]] = {
        EdgeKind.ANNOTATES: {"arrowstyle": "-", "linewidth": 5.0, "alpha": 0.10, "curve": 0.0},
        EdgeKind.COMBINE: {"arrowstyle": "-", "linewidth": 0.9, "alpha": 0.55, "linestyle": (0, (5, 4)), "curve": 0.12},
        EdgeKind.GENERATE: {"arrowstyle": "-|>,head_length=6,head_width=2.5", "linewidth": 1.1, "alpha": 0.8,
                            "curve": 0.07},
    }  # fmt: skip
    style = dict(styles[kind])
    curve = style.pop("curve")
    axes.add_patch(
        FancyArrowPatch(
            _centre(start),
            _centre(end),
            patchA=start,
            patchB=end,
            shrinkA=2,
            shrinkB=2,
            connectionstyle=f"arc3,rad={curve}",
            color=colour,
            zorder=1 if kind == EdgeKind.ANNOTATES else 2,
            **style,
        )
    )


def _centre(box: Patch) -> tuple[float, float]:
    extent = box.get_path().get_extents(box.get_patch_transform())
    return (extent.x0 + extent.x1) / 2, (extent.y0 + extent.y1) / 2


def _draw_legend(figure: Figure, graph: nx.MultiDiGraph) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    meta_tasks = [(_meta_task(graph, group[0]), len(group)) for group in _groups(graph)]
    kinds = {
        "annotates (both images belong to one record)": Line2D([], [], color="#777777", linewidth=5, alpha=0.25),
        "combine (may stand before)": Line2D([], [], color="#777777", linewidth=1, linestyle=(0, (5, 4))),
        "generate (can be asked for)": Line2D([], [], color="#777777", linewidth=1.1, marker=">", markevery=[1]),
    }
    patches = {f"{meta_task} ({size})": Patch(color=_colour(meta_task)) for meta_task, size in meta_tasks}
    entries = patches | kinds
    figure.legend(entries.values(), entries.keys(), loc="lower center", ncols=4, frameon=False, fontsize=_FONT_PT)
    figure.text(0.012, 0.972, f"{graph.graph.get('name') or 'schema graph'}: {len(graph)} node types",
                fontsize=16, weight="bold", va="top")  # fmt: skip
