"""How fast training goes: operations counted by hand, and where the time went."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
import torch
from diffusers import FluxTransformer2DModel

from trainer.lora import LoraSettings, add_lora
from trainer.throughput import Meter, Work, matmul_ceiling


def test_the_work_of_a_token_is_that_of_the_linears_it_passes(transformer: FluxTransformer2DModel) -> None:
    # Width 32: q, k, v, out and an MLP of 4 × 32, in the token's stream of the double block and in the single block.
    block = 4 * 32 * 32 + 2 * 32 * 128
    # A LoRA of rank 8 is (in + out) · 8; the single block's last Linear takes attention and MLP together, 160.
    double_lora = 4 * 8 * 64 + 2 * 8 * 160
    single_lora = 3 * 8 * 64 + 8 * 160 + 8 * 192
    add_lora(transformer, LoraSettings(rank=8), torch.Generator())
    work = Work.of(transformer)
    assert work.base == 2 * 2 * block
    assert work.lora == 2 * (double_lora + single_lora)
    assert work.attention == 4 * 32 * 2


def test_a_step_costs_two_forwards_of_the_base_and_three_of_the_rest() -> None:
    work = Work(base=100.0, lora=10.0, attention=1.0)
    assert work.training_step(image_tokens=6, text_tokens=4) == 10 * (2 * 100 + 3 * 10 + 3 * 10)


def test_flux_costs_what_its_makers_sizes_say() -> None:
    with torch.device("meta"):
        work = Work.of(FluxTransformer2DModel(in_channels=384, out_channels=64, guidance_embeds=True))
    assert work.base == pytest.approx(12.9e9, rel=0.01)
    assert work.attention == pytest.approx(0.70e6, rel=0.01)


def test_the_time_without_data_is_told_apart() -> None:
    def slow() -> Iterator[int]:
        time.sleep(0.05)
        yield 1

    meter = Meter(ceiling=1e9)
    assert list(meter.watch(slow())) == [1]
    meter.add(tokens=100, operations=1e6, padding=0.25)
    time.sleep(0.05)
    report = meter.report()
    assert 0.2 < report["data_wait"] < 0.8
    assert report["padding"] == 0.25
    assert report["mfu"] == pytest.approx(report["tokens_per_s"] * 1e4 / 1e9)
    assert meter.report()["tokens_per_s"] == 0


def test_the_ceiling_is_a_rate() -> None:
    assert 1e6 < matmul_ceiling(torch.device("cpu"), torch.float32, 64) < 1e14
