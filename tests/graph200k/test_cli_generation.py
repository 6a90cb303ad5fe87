"""The commands around LoRAs through the entry point: exit code, stdout and stderr apart."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import FluxTransformer2DModel
from PIL import Image
from safetensors.torch import load_file

from graph200k.cli import main
from trainer.lora import WEIGHTS_NAME, LoraSettings, add_lora, save_lora
from trainer.tiny import save_tiny_flux

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run a command in this process; return exit code, stdout and stderr."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: str | Path) -> tuple[int, str, str]:
        monkeypatch.setattr("sys.argv", ["graph200k", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return int(ended.value.code or 0), captured.out, captured.err

    return call


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_flux(tmp_path_factory.mktemp("flux") / "fill")


@pytest.fixture(scope="module")
def lora(base: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    transformer = FluxTransformer2DModel.from_pretrained(base, subfolder="transformer")
    add_lora(transformer, LoraSettings(rank=4), torch.Generator().manual_seed(0))
    folder = tmp_path_factory.mktemp("lora")
    save_lora(transformer, folder)
    return folder


def test_generate_prints_a_line_of_json_a_result(run: Run, base: Path, lora: Path, tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "depth.png")
    model = ["--base", base, "--dtype", "float32", "--device", "cpu", "--fill", "black", "--offload", "sequential"]
    code, out, _ = run(
        *("generate", "--lora", lora, "--lora", f"{lora}:0.8", "--task", "depth,target", "--query", "depth.png"),
        *("--out", "made", "--steps", "1", "--guidance", "10", "--area", "64", "-n", "2", "--seed", "7", *model),
    )
    assert code == 0
    lines = [json.loads(line) for line in out.splitlines()]
    assert [line["seed"] for line in lines] == [7, 8]
    for line in lines:
        assert Image.open(line["grid"]).size == (128, 64)
        assert Image.open(line["cells"][0]["file"]).size == (64, 64)


def test_generate_without_weights_says_how_to_get_them(run: Run, tmp_path: Path) -> None:
    Image.fromarray(np.full((64, 64, 3), 90, np.uint8)).save(tmp_path / "depth.png")
    code, out, error = run("generate", "--task", "depth,target", "--query", "depth.png", "--out", "made")
    assert (code, out) == (1, "")
    assert "https://huggingface.co/black-forest-labs/FLUX.1-Fill-dev" in error
    assert "--base" in error


def test_fuse_lora_writes_one_file_or_a_transformer(run: Run, base: Path, lora: Path, tmp_path: Path) -> None:
    code, out, _ = run("fuse-lora", lora, f"{lora}:0.8", "--out", "fused")
    assert (code, out) == (0, f"fused/{WEIGHTS_NAME}\n")
    ranks = {len(value) for name, value in load_file(tmp_path / "fused" / WEIGHTS_NAME).items() if "lora_A" in name}
    assert ranks == {8}
    code, out, _ = run("fuse-lora", lora, "--base", base, "--out", "whole")
    assert (code, out) == (0, "whole/transformer\n")
    whole = FluxTransformer2DModel.from_pretrained(tmp_path / "whole" / "transformer")
    assert not any("lora" in name for name in whole.state_dict())


def test_import_lora_converts_a_release_file(run: Run, tmp_path: Path) -> None:
    module = "double_blocks.0.img_attn.proj"
    weights = {f"{module}.lora_A.weight": torch.zeros(4, 32), f"{module}.lora_B.weight": torch.zeros(32, 4)}
    torch.save(weights, tmp_path / "release.pth")
    code, out, _ = run("import-lora", "release.pth", "--out", "converted")
    assert (code, out) == (0, f"converted/{WEIGHTS_NAME}\n")
    assert len(load_file(tmp_path / "converted" / WEIGHTS_NAME)) == 2
    code, _, error = run("import-lora", "nowhere.pth", "--out", "converted")
    assert (code, error.startswith("error: nowhere.pth: no such file")) == (1, True)
