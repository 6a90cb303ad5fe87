"""What ``graph200k generate`` does, on a tiny FLUX: from images and from a dataset."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FluxTransformer2DModel
from PIL import Image

from graph200k.errors import Graph200KError, MissingWeightsError, PlanError, SourceError, UnknownNameError
from sampler.fit import fit_image
from support.full_datasets import make_full_dataset
from trainer.adapters import Adapter
from trainer.generate_command import Request, make_plan, run
from trainer.lora import LoraSettings, add_lora, lora_parameters, save_lora
from trainer.upsampling import UpsamplingSettings

SIDE = 64


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("full")
    make_full_dataset(path, 6)
    return str(path)


@pytest.fixture
def request_of(tiny_fill: Path, tmp_path: Path) -> Any:
    """Make a request on the tiny model, two steps, cells of 64²; what is named comes first."""

    def make(**options: Any) -> Request:
        usual: dict[str, Any] = {
            "task": "depth,target",
            "out": tmp_path / "out",
            "sampling": {"steps": 2},
            "placing": {"device": "cpu"},
            "model": {"base": str(tiny_fill), "dtype": "float32"},
            "layout": {"area_px": SIDE**2},
        }
        return Request(**(usual | options))

    return make


@pytest.fixture
def images(tmp_path: Path) -> dict[str, str]:
    """Names of three photographs of 80×80."""
    found = {}
    for number, name in enumerate(("depth", "a_depth", "a")):
        pixels = np.random.default_rng(number).integers(0, 256, (80, 80, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{name}.png")
        found[name] = str(tmp_path / f"{name}.png")
    return found


@pytest.fixture
def trained(tiny_fill: Path, transformer: FluxTransformer2DModel, tmp_path: Path) -> Path:
    """A LoRA that changes much, where a run with a tiny base of its own leaves it."""
    folder = tmp_path / "run" / "checkpoints" / "step-00000002"
    add_lora(transformer, LoraSettings(rank=4), torch.Generator().manual_seed(0))
    for parameter in lora_parameters(transformer).values():
        torch.nn.init.normal_(parameter, std=0.3, generator=torch.Generator().manual_seed(1))
    save_lora(transformer, folder)
    shutil.copytree(tiny_fill, tmp_path / "run" / "model")
    config = {
        "model": {"base": "tiny-fill", "dtype": "float32"},
        "latents": {"fill": "black", "posterior": "mode"},
        "data": {"sampler": {"area_px": 80**2, "shape": "square"}},
    }
    (tmp_path / "run" / "config.yaml").write_text(json.dumps(config))
    return folder


def pixels(file: str) -> np.ndarray:
    return np.asarray(Image.open(file))


def test_own_images_give_one_result_a_seed_with_what_was_given_pasted_back(
    request_of: Any, images: dict[str, str]
) -> None:
    request = request_of(
        query=images["depth"], contexts=(f"{images['a_depth']},{images['a']}",), content="a fox", count=2, seed=3
    )
    first, second = run(request)
    assert (first["seed"], second["seed"]) == (3, 4)
    assert "a fox" in first["prompt"].lower()
    grid = pixels(first["grid"])
    assert grid.shape == (2 * SIDE, 2 * SIDE, 3)
    assert np.array_equal(grid[SIDE:, SIDE:], pixels(first["cells"][0]["file"]))
    given = np.ones((2 * SIDE, 2 * SIDE), bool)
    given[SIDE:, SIDE:] = False
    other = pixels(second["grid"])
    assert np.array_equal(grid[given], other[given])
    assert not np.array_equal(grid[~given], other[~given])
    assert np.array_equal(grid[:SIDE, SIDE:], fit_image(pixels(images["a"]), (SIDE, SIDE), "crop"))


def test_several_cells_of_a_query_can_be_wanted(request_of: Any, images: dict[str, str]) -> None:
    (made,) = run(request_of(task="reference,depth,target", query=f"_,{images['depth']},_"))
    assert [(cell["row"], cell["column"]) for cell in made["cells"]] == [(0, 0), (0, 2)]
    assert len({pixels(cell["file"]).tobytes() for cell in made["cells"]}) == 2


def test_specs_of_any_conditions_and_targets_are_generated_from_images_and_from_a_dataset(
    request_of: Any, images: dict[str, str], data: str
) -> None:
    (own,) = run(request_of(task="canny,hed:target", query=f"{images['a']},{images['depth']}"))
    assert [(cell["row"], cell["node"]) for cell in own["cells"]] == [(0, "target")]
    found = list(run(request_of(task="canny:depth,target", data=data, contexts=("1",), count=2, upsample="96")))
    for made in found:
        assert made["sample"]["task"] == "canny:depth,target"
        assert [(cell["row"], cell["node"]) for cell in made["cells"]] == [(1, "depth"), (1, "target")]
        assert all("upsampled" in cell for cell in made["cells"])


def test_a_dataset_gives_grids_beside_their_truth(request_of: Any, data: str) -> None:
    request = request_of(data=data, contexts=("2",), count=3, seed=1, sampling={"steps": 2, "batch": 3})
    found = list(run(request))
    assert [made["sample"]["index"] for made in found] == [0, 1, 2]
    assert len({made["seed"] for made in found}) == 3
    for made in found:
        sample = made["sample"]
        assert (sample["task"], len(sample["rows"]), sample["masked"]) == ("depth,target", 3, [[2, 1]])
        height, width = sample["cell_sizes"][-1]
        assert pixels(made["cells"][0]["file"]).shape == (height, width, 3)
        assert pixels(made["picture"]).shape[1] > 3 * width
        assert made["prompt"].startswith(sample["layout"])
        assert sample["instruction"]
    (one,) = run(request_of(data=data, contexts=("2",), count=1, seed=1))
    difference = pixels(one["grid"]).astype(int) - pixels(found[0]["grid"])
    assert np.abs(difference).max() <= 1  # the batch changes rounding alone


def test_results_are_enlarged_if_that_is_asked_for(request_of: Any, images: dict[str, str]) -> None:
    request = request_of(query=images["depth"], upsample="112x80", upsampling={"strength": 0.5, "adapters": False})
    assert make_plan(request).upsampling == UpsamplingSettings(size=(80, 112), strength=0.5, adapters=False)
    assert make_plan(request_of(upsample="96")).upsampling == UpsamplingSettings(area_px=96**2)
    (made,) = run(request)
    assert pixels(made["cells"][0]["upsampled"]).shape == (80, 112, 3)


def test_settings_come_from_the_run_of_the_lora(trained: Path, request_of: Any, images: dict[str, str]) -> None:
    own = request_of(query=images["depth"], loras=(f"{trained}:0.5", str(trained)), model={}, layout={})
    plan = make_plan(own)
    assert plan.adapters == (Adapter(trained, 0.5), Adapter(trained))
    assert (plan.config.latents.fill, plan.layout.area_px, plan.layout.shape) == ("black", 80**2, "square")
    assert plan.config.model.base == str(trained.parents[1] / "model")
    (made,) = run(own)
    assert pixels(made["grid"]).shape == (80, 160, 3)


def test_what_the_user_names_comes_before_the_runs_settings(
    trained: Path, request_of: Any, images: dict[str, str], tiny_dev: Path
) -> None:
    request = request_of(
        query=images["depth"], loras=(str(trained),), model={"base": str(tiny_dev)}, latents={"fill": "grey"}
    )
    plan = make_plan(request)
    assert plan.config.model.base == str(tiny_dev)
    assert plan.config.model.dtype == "float32"
    assert plan.config.latents.fill == "grey"
    assert plan.layout.area_px == SIDE**2


def test_a_lora_acts_by_its_weight(trained: Path, request_of: Any, images: dict[str, str]) -> None:
    def cell(*loras: str) -> bytes:
        (made,) = run(request_of(query=images["depth"], loras=loras, latents={"fill": "black", "posterior": "mode"}))
        return pixels(made["cells"][0]["file"]).tobytes()

    of_base = cell()
    assert cell(f"{trained}:0") == of_base
    assert cell(str(trained)) != of_base


@pytest.mark.parametrize(
    ("options", "kind", "message"),
    [
        ({}, PlanError, "name either images .--query. or a dataset .--data."),
        ({"query": "x.png", "data": "d"}, PlanError, "are both named; name one, not both"),
        ({"contexts": ("2",)}, PlanError, "--context 2: a number of examples needs --data"),
        ({"query": "x.png", "contexts": ("2",)}, PlanError, "--context 2: a number of examples needs --data"),
        ({"query": "x.png", "task": "depht,target"}, UnknownNameError, "did you mean depth,target"),
        ({"data": "DATA", "task": "depht,target"}, UnknownNameError, "did you mean depth,target"),
        ({"data": "DATA", "task": "canny,heed:target"}, UnknownNameError, "did you mean hed"),
        ({"data": "DATA", "contexts": ("a.png,b.png",)}, PlanError, "with --data expected one number, 0 to 8"),
        ({"data": "DATA", "content": "a fox"}, PlanError, "--content goes with --query"),
        ({"query": "x.png", "upsample": "big"}, PlanError, "expected the side of a square, such as 1024, or 1344x768"),
        ({"query": "x.png", "upsampling": {"strength": 0.4}}, PlanError, "go with --upsample"),
        ({"query": "x.png", "placing": {"device": "tpu"}}, PlanError, "device"),
        ({"query": "x.png", "loras": ("nowhere",)}, MissingWeightsError, "no LoRA at nowhere"),
        (
            {"query": "IMAGE", "model": {"base": "nobody/no-such-model"}},
            MissingWeightsError,
            r"accept the licence .*--base",
        ),
        ({"query": "IMAGE", "loras": ("PTH",)}, SourceError, "converted by `graph200k import-lora`"),
        pytest.param(
            {"query": "IMAGE", "placing": {"device": "cuda"}},
            PlanError,
            "finds no CUDA device; use cpu or auto",
            marks=pytest.mark.skipif(torch.cuda.is_available(), reason="there is one"),
        ),
    ],
)
def test_errors_say_what_to_do(
    request_of: Any, images: dict[str, str], data: str, tmp_path: Path, options: Any, kind: Any, message: str
) -> None:
    from safetensors.torch import save_file

    save_file({"double_blocks.0.img_attn.qkv.lora_A.weight": torch.zeros(4, 32)}, tmp_path / "release.safetensors")
    stand_ins = {"DATA": data, "IMAGE": images["depth"], "PTH": str(tmp_path / "release.safetensors")}
    named = {
        name: tuple(stand_ins.get(each, each) for each in value)
        if isinstance(value, tuple)
        else stand_ins.get(value, value)
        if isinstance(value, str)
        else value
        for name, value in options.items()
    }
    with pytest.raises(kind, match=message) as caught:
        list(run(request_of(**named)))
    assert isinstance(caught.value, Graph200KError)
