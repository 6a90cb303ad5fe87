"""A frozen base in int8 or nf4, where torchao and bitsandbytes are installed: LoRA, training and generation on it.

nf4 is run as on a GPU, on diffusers' and bitsandbytes' own paths, but for the refusals to do so without one.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxTransformer2DModel
from safetensors.torch import load_file
from torch.nn.parallel import DistributedDataParallel

from graph200k.errors import PlanError
from sampler.grid import Grid
from support.full_datasets import make_full_dataset
from support.training import tiny_config
from trainer.adapters import Adapter, load_adapters
from trainer.checkpoint import list_checkpoints
from trainer.compute import ComputeSettings, prepare_blocks
from trainer.generation import GenerationSettings, generate
from trainer.generation_models import load_models
from trainer.latents import LatentSettings
from trainer.loop import TrainOptions, train
from trainer.lora import WEIGHTS_NAME, LoraSettings, add_lora, lora_parameters, save_lora
from trainer.models import ModelSettings, load_transformer
from trainer.parallel import leave_base_to_ranks, shard_base
from trainer.placement import PlacementSettings
from trainer.reporting import read_metrics

Inputs = Callable[..., dict[str, torch.Tensor]]
Load = Callable[..., FluxTransformer2DModel]


@pytest.fixture(params=["int8", "nf4"])
def kind(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """A quantisation that can be loaded here."""
    if request.param == "int8":
        pytest.importorskip("torchao")
    else:
        pytest.importorskip("bitsandbytes")
        allow_nf4_without_gpu(monkeypatch)
    return str(request.param)


@pytest.fixture
def int8() -> None:
    pytest.importorskip("torchao")


def allow_nf4_without_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let diffusers load nf4 on the CPU, and keep bitsandbytes from a layout for inference that some CPUs have."""
    quantiser = "diffusers.quantizers.bitsandbytes.bnb_quantizer.BnB4BitDiffusersQuantizer"
    monkeypatch.setattr("trainer.quantisation.has_gpu", lambda: True)
    monkeypatch.setattr(f"{quantiser}.validate_environment", lambda self, **_: None)
    monkeypatch.setattr(f"{quantiser}.update_device_map", lambda self, device_map: {"": "cpu"})
    monkeypatch.setattr("bitsandbytes.nn.modules.has_avx512bf16", lambda: False)


@pytest.fixture
def load(tiny_fill: Path) -> Load:
    return lambda quantize="none": load_transformer(tiny_fill, ModelSettings(quantize=quantize))


def output(transformer: FluxTransformer2DModel, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    cast = {name: value if name.endswith("ids") else value.bfloat16() for name, value in inputs.items()}
    with torch.no_grad():
        return transformer(**cast, return_dict=False)[0].float()


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    return float((one - other).norm() / other.norm())


def random_lora(transformer: FluxTransformer2DModel, folder: Path, **settings: object) -> Path:
    """Put a LoRA of random weights on a transformer and save it."""
    add_lora(transformer, LoraSettings(rank=4, **settings), torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(1)
    for parameter in lora_parameters(transformer).values():
        torch.nn.init.normal_(parameter, std=0.1, generator=generator)
    save_lora(transformer, folder)
    return folder


@pytest.mark.parametrize(("quantize", "library"), [("int8", "torchao"), ("nf4", "bitsandbytes")])
def test_without_its_library_the_error_names_it(quantize: str, library: str, load: Load) -> None:
    if importlib.util.find_spec(library) is not None:
        pytest.skip("it is installed")
    with pytest.raises(PlanError, match=f"needs {library}; pip install {library}"):
        load(quantize)


@pytest.mark.skipif(torch.accelerator.is_available(), reason="there is a GPU")
def test_nf4_without_a_gpu_is_an_error(load: Load) -> None:
    pytest.importorskip("bitsandbytes")
    with pytest.raises(PlanError, match="on a GPU alone, and torch finds none; use int8"):
        load("nf4")


def test_every_linear_is_quantised_and_has_the_lora_it_has_on_a_plain_base(
    kind: str, load: Load, tmp_path: Path, model_inputs: Inputs
) -> None:
    plain, quantised = load(), load(kind)
    names = [name for name, module in plain.named_modules() if isinstance(module, torch.nn.Linear)]
    stored = {type(quantised.get_submodule(name).weight).__name__ for name in names}
    assert stored == {{"int8": "Int8Tensor", "nf4": "Params4bit"}[kind]}
    bare = output(plain, model_inputs())
    error = distance(output(quantised, model_inputs()), bare)
    assert 0 < error < {"int8": 0.02, "nf4": 0.2}[kind]

    random_lora(quantised, tmp_path)
    add_lora(plain, LoraSettings(rank=4), torch.Generator().manual_seed(0))
    shapes = [{name: value.shape for name, value in lora_parameters(one).items()} for one in (plain, quantised)]
    assert shapes[0] == shapes[1]
    assert len(shapes[0]) == 2 * len(names)

    # Saved from one base and loaded on the other, it does what it did.
    loaded = load()
    load_adapters(loaded, [Adapter(tmp_path)])
    with_lora = output(quantised, model_inputs())
    assert distance(with_lora, output(loaded, model_inputs())) < 2 * error + 0.01
    assert distance(with_lora, bare) > 4 * error


def test_training_on_it_lowers_the_loss_nearly_as_on_a_plain_base(
    kind: str, tiny_fill: Path, tmp_path: Path, make_grid: Callable[..., Grid]
) -> None:
    make_full_dataset(tmp_path / "data")
    losses, saved = {}, {}
    for quantize in ("none", kind):
        config = tiny_config(
            tmp_path / "data",
            tiny_fill,
            model={"quantize": quantize, "dtype": "bfloat16"},
            compute={"checkpointing": "selective"},
            loop={"steps": 6, "micro_batch": 2},
        )
        train(TrainOptions(config=config, out=tmp_path / quantize))
        losses[quantize] = [line["loss"] for line in read_metrics(tmp_path / quantize) if "loss" in line]
        saved[quantize] = load_file(list_checkpoints(tmp_path / quantize)[-1] / WEIGHTS_NAME)
    assert losses[kind][-1] < 0.95 * losses[kind][0]
    assert losses[kind] == pytest.approx(losses["none"], rel=0.02)
    assert losses[kind] != losses["none"]
    assert {name: value.shape for name, value in saved[kind].items()} == {
        name: value.shape for name, value in saved["none"].items()
    }

    adapter = Adapter(list_checkpoints(tmp_path / kind)[-1])
    grid = make_grid([(64, 64)], [[False, True]])
    made = {}
    for quantize, offload in (("none", "none"), (kind, "none"), (kind, "model"), (kind, "sequential")):
        settings = ModelSettings(base=str(tiny_fill), quantize=quantize)
        models = load_models(settings, LatentSettings(), PlacementSettings(device="cpu", offload=offload), [adapter])
        (filled,) = generate(models, [grid], ["a horse"], [0], GenerationSettings(steps=2))
        made[quantize, offload] = filled.cell(0, 1).astype(float)
    assert np.array_equal(made[kind, "none"], made[kind, "model"])
    assert np.array_equal(made[kind, "none"], made[kind, "sequential"])
    assert 0 < np.abs(made[kind, "none"] - made["none", "none"]).mean() < 8


def test_ddp_starts_on_it(kind: str, load: Load, tmp_path: Path, model_inputs: Inputs) -> None:
    # DDP sends each rank the first one's weights, which those in int8 are not made for.
    transformer = load(kind)
    random_lora(transformer, tmp_path / "lora")
    leave_base_to_ranks(transformer)
    with one_process_group(tmp_path / "group"):
        replica = DistributedDataParallel(transformer)
        expected = output(transformer, model_inputs())
        assert torch.equal(output(replica, model_inputs()), expected)


@contextmanager
def one_process_group(file: Path) -> Iterator[None]:
    """A process group of this process alone."""
    torch.distributed.init_process_group("gloo", init_method=file.as_uri(), rank=0, world_size=1)
    try:
        yield
    finally:
        torch.distributed.destroy_process_group()


@pytest.mark.usefixtures("int8")
def test_what_does_not_go_with_int8_is_refused(load: Load, transformer: FluxTransformer2DModel, tmp_path: Path) -> None:
    with pytest.raises(PlanError, match=r"lora.bias = true .*; use lora.bias = false, or nf4"):
        add_lora(load("int8"), LoraSettings(bias=True), torch.Generator())
    folder = random_lora(transformer, tmp_path, bias=True)
    with pytest.raises(PlanError, match=r"the biases of .*safetensors .*; use nf4 or none"):
        load_adapters(load("int8"), [Adapter(folder)])
    with pytest.raises(PlanError, match=r"loop.strategy = fsdp2 .*; use ddp, or nf4"):
        shard_base(load("int8"), torch.device("cpu"))
    with pytest.raises(PlanError, match=r"compute.compile = true .*; use nf4 or none"):
        prepare_blocks(load("int8"), ComputeSettings(compile=True))
