"""It learns: a small FLUX trained from scratch, and what its conditions, examples and instructions are worth.

``make bench-learning``: 20 to 28 minutes on two cores; draws ``docs/learning.png`` and ``docs/learning-grids.png`` too.
Seven tasks (``toy_tasks``) on crops of the demo photographs at 32², three photographs held out for what is measured,
through a codec of principal components (``toy_codec``). Most samples are trained without their instruction.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from benchmarks.learning_pictures import draw_curves, draw_grids
from benchmarks.rows import row
from benchmarks.toy_codec import PatchCodec
from benchmarks.toy_model import Recipe, ToyModel, make_transformer, prompts_of, train
from benchmarks.toy_tasks import TASKS, ToyBatch, ToyStream, crop
from pipelines.demo import write_demo
from sampler.grid import Grid
from trainer.generation import GenerationSettings, generate
from trainer.latents import GridEncoder, LatentSettings

BY_NAME_ONLY = True
"""Too long to be run with the other benchmarks."""

HELD_OUT = ("camera", "chelsea", "coffee")
"""Photographs that nothing is learned from; two of them are in colour."""
SWAPPED = "another sample's conditions"
_DOCS = Path(__file__).parent.parent / "docs"
_EVALUATIONS = 10
_LOSS_BATCHES = 2
_BATCH = 64
_GENERATED = 196
"""Grids that are generated for each setting, as many of each task."""
_STEPS = 20
_SEED = 0


@dataclass(frozen=True)
class Setting:
    """What the model is given beside the query's condition."""

    contexts: int
    instructed: bool

    @property
    def name(self) -> str:
        """Return how it is called in results."""
        return f"C = {self.contexts}, instruction {'given' if self.instructed else 'withheld'}"

    def batch(self, stream: ToyStream, number: int, size: int) -> ToyBatch:
        """Return a batch of a stream in this setting."""
        return stream.batch(number, size, self.contexts, float(self.instructed))


SETTINGS = tuple(Setting(contexts, instructed) for instructed in (True, False) for contexts in (0, 1, 2))
TOLD, ALONE, SHOWN = Setting(2, True), Setting(0, False), Setting(2, False)
"""Everything given; neither instruction nor examples; examples alone."""

Curves = dict[str, list[tuple[int, np.ndarray]]]
"""Steps done and losses of masked cells on held-out photographs, by name."""


def run() -> list[dict[str, Any]]:
    """Train, measure on held-out photographs, draw, and return the figures."""
    torch.set_num_threads(2)
    learned, held_out = photographs()
    recipe = Recipe(seed=_SEED)
    model = ToyModel(make_transformer(recipe), fit_encoder(learned))
    unseen = ToyStream(held_out, _SEED + 1, vary=False)
    started = time.perf_counter()
    curves: Curves = {}
    losses = train(
        model,
        ToyStream(learned, _SEED, vary=True),
        recipe,
        lambda step: _note(curves, step, model, unseen),
        every=recipe.steps // _EVALUATIONS,
    )
    minutes = (time.perf_counter() - started) / 60
    truths = {setting: setting.batch(unseen, 1000, _GENERATED) for setting in SETTINGS}
    made = {setting: complete(model, batch) for setting, batch in truths.items()}
    quality = {setting.name: psnr(made[setting], truths[setting].grids) for setting in SETTINGS}
    baselines = _baselines(model, truths[TOLD].grids, ToyStream(learned, _SEED, vary=False))
    from_noise = {name: [(step, float(levels[-1])) for step, levels in points] for name, points in curves.items()}
    draw_curves(losses, from_noise, quality | baselines, _DOCS / "learning.png")
    _draw_examples(made, truths)
    _print_tasks(made, truths)
    final = {name: points[-1][1] for name, points in curves.items()}
    return [row("training", minutes, "min"), *_rows(final, quality, baselines)]


def photographs() -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return the demo photographs to learn from and those held out, uint8 H×W×3."""
    with tempfile.TemporaryDirectory() as folder:
        write_demo(Path(folder))
        found = {path.stem: np.asarray(Image.open(path).convert("RGB")) for path in sorted(Path(folder).glob("*.png"))}
    held_out = [found.pop(name) for name in HELD_OUT]
    return list(found.values()), held_out


def fit_encoder(learned: Sequence[np.ndarray]) -> GridEncoder:
    """Return the encoder of grids whose codec is fitted on crops of photographs."""
    rng = np.random.default_rng(_SEED)
    crops = [crop(learned[number % len(learned)], rng, vary=True) for number in range(3000)]
    return GridEncoder(PatchCodec.fit(crops), LatentSettings(posterior="mode"))


def complete(model: ToyModel, batch: ToyBatch) -> list[Grid]:
    """Return the grids with their masked cells generated, by the project's own generation."""
    settings = GenerationSettings(steps=_STEPS, batch=_BATCH)
    return generate(model.generation_models, batch.grids, prompts_of(batch), range(len(batch.grids)), settings)


def target_cell(grid: Grid) -> np.ndarray:
    """Return the cell that is to be generated, uint8 H×W×3."""
    return grid.cell(len(grid.rows) - 1, 1)


def psnr(made: Sequence[Grid], truths: Sequence[Grid]) -> float:
    """Return the PSNR of generated cells in dB, of the mean squared error over all of them."""
    return _psnr([target_cell(grid) for grid in made], truths)


def _psnr(cells: Sequence[np.ndarray], truths: Sequence[Grid]) -> float:
    errors = [
        np.square(cell.astype(float) - target_cell(truth)).mean() for cell, truth in zip(cells, truths, strict=True)
    ]
    return float(10 * np.log10(255**2 / np.mean(errors)))


def _note(curves: Curves, step: int, model: ToyModel, unseen: ToyStream) -> None:
    batches = {setting: [setting.batch(unseen, at, _BATCH) for at in range(_LOSS_BATCHES)] for setting in SETTINGS}
    for setting, found in batches.items():
        curves.setdefault(setting.name, []).append((step, model.masked_losses(found)))
    curves.setdefault(SWAPPED, []).append((step, model.masked_losses(batches[TOLD], swapped=True)))
    told = "; ".join(f"{name}: {points[-1][1].round(3).tolist()}" for name, points in curves.items())
    print(f"step {step}: {told}", flush=True)


def _baselines(model: ToyModel, truths: Sequence[Grid], learned: ToyStream) -> dict[str, float]:
    """Return PSNRs of what needs no model, and of the truth through the codec, which no model passes."""
    known = [target_cell(grid).astype(float) for at in range(16) for grid in TOLD.batch(learned, at, _BATCH).grids]
    conditions = model.grids.conditions(truths, [torch.Generator()] * len(truths))
    clean = model.grids.targets(truths, conditions, [torch.Generator()] * len(truths))
    decoded = model.grids.decode(clean, conditions.shape, [len(truths[0].rows) - 1])
    width = truths[0].cell(0, 0).shape[1]
    return {
        "mean image": _psnr([np.mean(known, axis=0)] * len(truths), truths),
        "copied condition": _psnr([grid.cell(len(grid.rows) - 1, 0) for grid in truths], truths),
        "truth through the codec": _psnr([row[0][:, width:] for row in decoded], truths),
    }


def _rows(
    losses: Mapping[str, np.ndarray], quality: Mapping[str, float], baselines: Mapping[str, float]
) -> Iterator[dict[str, Any]]:
    told, alone, shown = TOLD.name, ALONE.name, SHOWN.name
    means = {name: float(levels.mean()) for name, levels in losses.items()}
    unseen = {name: float(levels[-1]) for name, levels in losses.items()}
    yield row("right conditions lower the masked-cell loss by", 1 - means[told] / means[SWAPPED], "of it", 0.2)
    yield row("generated cells over the mean image", quality[told] - baselines["mean image"], "dB", 0)
    yield row("generated cells over copying the condition", quality[told] - baselines["copied condition"], "dB", 0)
    yield row("instruction withheld, loss of C = 2 beside C = 0", means[shown] / means[alone], "×", 1, "lower")
    yield row("the same, from noise alone", unseen[shown] / unseen[alone], "×", 1, "lower")
    yield row("instruction withheld, C = 2 over C = 0", quality[shown] - quality[alone], "dB", 0)
    for name, loss in means.items():
        yield row(f"masked-cell loss, {name}", loss, "")
        yield row(f"masked-cell loss from noise alone, {name}", unseen[name], "")
    for name, value in (*quality.items(), *baselines.items()):
        yield row(f"PSNR, {name}", value, "dB")


def _print_tasks(made: Mapping[Setting, Sequence[Grid]], truths: Mapping[Setting, ToyBatch]) -> None:
    for number, task in enumerate(TASKS):
        places = [place for place, found in enumerate(truths[TOLD].tasks) if found == number]
        values = [
            psnr([made[setting][place] for place in places], [truths[setting].grids[place] for place in places])
            for setting in SETTINGS
        ]
        print(f"{task.name}: " + ", ".join(f"{value:.1f}" for value in values), flush=True)


def _draw_examples(made: Mapping[Setting, Sequence[Grid]], truths: Mapping[Setting, ToyBatch]) -> None:
    """Draw one grid of each task as completed from examples alone, and what is made of its query otherwise."""
    examples = [
        (
            task.name,
            made[SHOWN][number],
            [target_cell(grids[number]) for grids in (truths[SHOWN].grids, made[TOLD], made[ALONE])],
        )
        for number, task in enumerate(TASKS)
    ]
    draw_grids(examples, _DOCS / "learning-grids.png")
