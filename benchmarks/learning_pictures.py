"""Pictures of ``learning``: curves of losses with the PSNRs reached, and completed grids."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from sampler.grid import Grid

_SMOOTHED = 50
_GAP_PX = 3


def draw_curves(
    losses: Sequence[float],
    curves: Mapping[str, Sequence[tuple[int, float]]],
    quality: Mapping[str, float],
    path: Path,
) -> None:
    """Draw losses over steps, and PSNRs as bars, into a PNG.

    Parameters
    ----------
    losses
        Of each training step.
    curves
        Steps and held-out losses from noise alone, by name.
    quality
        PSNRs by name, from top to bottom.
    path
        Of the PNG.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(13, 4.8), layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    smooth = np.convolve(losses, np.full(_SMOOTHED, 1 / _SMOOTHED), "valid")
    left.plot(np.arange(len(smooth)) + _SMOOTHED, smooth, color="0.8", label="training, at its noise levels")
    for name, points in curves.items():
        style = "--" if "withheld" in name else ":" if "sample" in name else "-"
        colour = next((f"C{contexts}" for contexts in (0, 1, 2) if f"C = {contexts}" in name), "black")
        left.plot(*zip(*points, strict=True), style, color=colour, label=name)
    left.set(
        xlabel="steps", ylabel="loss of masked cells", title="Held-out photographs, from noise alone", ylim=(0, None)
    )
    left.legend(fontsize=7, ncols=2, loc="lower left")
    names = list(quality)
    bars = right.barh(names, list(quality.values()), color=["C0" if "C =" in name else "0.7" for name in names])
    right.bar_label(bars, fmt="%.1f", padding=3)
    right.invert_yaxis()
    right.set(xlabel="PSNR of generated cells, dB", title="After training")
    right.margins(x=0.12)
    figure.savefig(path, dpi=80)


def draw_grids(examples: Sequence[tuple[str, Grid, Sequence[np.ndarray]]], path: Path) -> None:
    """Draw completed grids into a PNG.

    Parameters
    ----------
    examples
        Task; grid whose last cell was generated without an instruction; the true cell, the one generated with an
        instruction and examples, and the one with neither.
    path
        Of the PNG.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1.75 * len(examples), 4.4), layout="constrained")
    panels = figure.subplots(2, len(examples), height_ratios=(3, 1), squeeze=False)
    for (upper, lower), (task, grid, cells) in zip(panels.T, examples, strict=True):
        upper.imshow(_apart(grid), interpolation="nearest")
        upper.set_title(task, fontsize=9)
        lower.imshow(_side_by_side(cells), interpolation="nearest")
        lower.set_xlabel("truth | + instruction | neither", fontsize=8)
        for panel in (upper, lower):
            panel.set(xticks=[], yticks=[])
            panel.spines[:].set_visible(False)
    panels[0, 0].set_ylabel("query  ·  two examples", fontsize=8)
    figure.suptitle(
        "Bottom right of each grid: generated from two examples, no instruction. "
        "Below: the truth, with an instruction too, with neither.",
        fontsize=10,
    )
    figure.savefig(path, dpi=110)


def _apart(grid: Grid) -> np.ndarray:
    rows = [_side_by_side([grid.cell(row, column) for column in range(grid.columns)]) for row in range(len(grid.rows))]
    gap = np.full((_GAP_PX, rows[0].shape[1], 3), 255, np.uint8)
    return np.vstack([part for row in rows for part in (row, gap)][:-1])


def _side_by_side(cells: Sequence[np.ndarray]) -> np.ndarray:
    gap = np.full((cells[0].shape[0], _GAP_PX, 3), 255, np.uint8)
    return np.hstack([part for cell in cells for part in (cell, gap)][:-1])
