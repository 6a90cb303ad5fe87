from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from benchmarks.learning import ALONE, SHOWN, complete, psnr
from benchmarks.toy_codec import PatchCodec
from benchmarks.toy_model import Recipe, ToyModel, make_transformer, train
from benchmarks.toy_tasks import CELL_PX, TASKS, ToyStream, crop
from trainer.latents import GridEncoder, LatentSettings

RECIPE = Recipe(width=32, double_blocks=1, single_blocks=1, steps=30, batch=8, warmup=5)


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> Iterator[None]:
    """For operations this small, threads wait for each other longer than they work."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def photographs() -> list[np.ndarray]:
    """Smooth pictures in colour."""
    rng = np.random.default_rng(0)
    coarse = rng.integers(0, 256, (4, 5, 5, 3)).astype(np.uint8)
    return [np.kron(image, np.ones((40, 40, 1), np.uint8)) for image in coarse]


@pytest.fixture(scope="module")
def codec(photographs: list[np.ndarray]) -> PatchCodec:
    rng = np.random.default_rng(1)
    return PatchCodec.fit([crop(photographs[number % 4], rng, vary=True) for number in range(100)])


@pytest.fixture
def model(codec: PatchCodec) -> ToyModel:
    return ToyModel(make_transformer(RECIPE), GridEncoder(codec, LatentSettings(posterior="mode")))


def test_latents_are_what_their_picture_encodes_to(codec: PatchCodec) -> None:
    latents = torch.randn(2, 16, 6, 12, generator=torch.Generator().manual_seed(0))
    assert torch.allclose(codec.encode(codec.decode(latents)), latents, atol=1e-4)


def test_pictures_are_recognisable_through_the_codec(codec: PatchCodec, photographs: list[np.ndarray]) -> None:
    cell = crop(photographs[0], np.random.default_rng(2), vary=False)
    pixels = torch.from_numpy(cell.copy()).permute(2, 0, 1)[None] / 127.5 - 1
    error = (codec.decode(codec.encode(pixels)) - pixels).square().mean().item()
    assert 10 * np.log10(4 / error) > 20


def test_a_query_is_the_same_with_any_number_of_examples(photographs: list[np.ndarray]) -> None:
    stream = ToyStream(photographs, 3, vary=True)
    without, shown = (stream.batch(7, len(TASKS), contexts, 1.0) for contexts in (0, 2))
    assert without.tasks == shown.tasks
    for one, other in zip(without.grids, shown.grids, strict=True):
        assert np.array_equal(one.rows[0], other.rows[2])
        assert one.shape == (2, ((CELL_PX, CELL_PX),))
        assert other.masked.tolist() == [[False, False], [False, False], [False, True]]


def test_a_little_training_lowers_the_loss_and_leaves_the_average(
    model: ToyModel, photographs: list[np.ndarray]
) -> None:
    stream = ToyStream(photographs, 4, vary=True)
    batches = [SHOWN.batch(stream, 500, 16)]
    before, during = model.masked_losses(batches), []
    train(model, stream, RECIPE, lambda step: during.append((step, model.masked_losses(batches))), every=20)
    assert [step for step, _ in during] == [20, 30]
    assert model.masked_losses(batches) == pytest.approx(during[-1][1], rel=1e-6)
    assert during[-1][1].mean() < 0.95 * before.mean()


def test_the_masked_cell_is_generated_and_no_other(model: ToyModel, photographs: list[np.ndarray]) -> None:
    batch = ALONE.batch(ToyStream(photographs, 5, vary=False), 0, 2)
    made = complete(model, batch)
    for grid, truth in zip(made, batch.grids, strict=True):
        assert np.array_equal(grid.cell(0, 0), truth.cell(0, 0))
        assert not np.array_equal(grid.cell(0, 1), truth.cell(0, 1))
    assert 0 < psnr(made, batch.grids) < 30


def test_other_conditions_change_the_loss_of_a_model_that_looks_at_them(
    model: ToyModel, photographs: list[np.ndarray]
) -> None:
    generator = torch.Generator().manual_seed(6)
    for parameter in model.transformer.parameters():
        torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    batches = [SHOWN.batch(ToyStream(photographs, 6, vary=False), 0, 4)]
    assert (model.masked_losses(batches) != model.masked_losses(batches, swapped=True)).all()
