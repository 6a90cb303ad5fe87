"""Settings of a run: every config that comes with the project can be read, and what does not fit is refused."""

from __future__ import annotations

from pathlib import Path

import pytest

from graph200k.errors import PlanError
from trainer.config import TrainConfig, read_config

CONFIGS = sorted((Path(__file__).resolve().parents[2] / "configs").glob("*.yaml"))


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_every_config_can_be_read_and_opens_with_its_command(path: Path) -> None:
    config = read_config(path)
    block = config.data.sampler.shape_block
    ranks = 8 if "--num-workers 8" in path.read_text() else 1
    assert block % (ranks * config.loop.micro_batch) == 0
    assert config.accumulation(ranks) >= 1
    assert f"--config configs/{path.name}" in path.read_text().split("\ndata:")[0]
    assert "dev" not in path.stem or config.flow.loss_on == "masked"


def test_the_configs_the_issue_names_are_there() -> None:
    names = {path.stem for path in CONFIGS}
    assert names == {"paper-384", "paper-512", "one-gpu-24g", "one-gpu-80g", "dev-variant", "tiny"}


def test_the_defaults_are_the_papers() -> None:
    config = TrainConfig()
    assert (config.lora.rank, config.loop.batch, config.loop.steps) == (256, 64, 20_000)
    assert (config.optimiser.learning_rate, config.optimiser.clip, config.optimiser.weight_decay) == (1e-4, 2.0, 0.0)
    assert config.flow.time_shift == "dynamic"


def test_a_name_that_no_field_has_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("loop: {stepps: 3}")
    with pytest.raises(PlanError, match=r"^--config .*: loop.stepps: no such setting; did you mean steps\?$"):
        read_config(file)


@pytest.mark.parametrize("text", ["loop: many", "loop: [1]"])
def test_a_part_that_is_no_mapping_is_refused(tmp_path: Path, text: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(PlanError, match="loop: Input should be a valid dictionary or instance of LoopSettings, found"):
        read_config(file, {"loop": {"steps": 2}})


@pytest.mark.parametrize(("text", "message"), [("- 1", "expected a mapping of data"), ("a: [", "while parsing")])
def test_what_is_no_mapping_is_refused(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "config.yaml"
    file.write_text(text)
    with pytest.raises(PlanError, match=message):
        read_config(file)


def test_a_batch_that_ranks_cannot_share_is_refused_and_both_numbers_named() -> None:
    with pytest.raises(PlanError, match="batch 64 is no multiple of 3 ranks × micro_batch 1"):
        TrainConfig().accumulation(3)


def test_overrides_win_unless_they_are_none(tmp_path: Path) -> None:
    file = tmp_path / "config.yaml"
    file.write_text("loop: {steps: 7, batch: 8}")
    config = read_config(file, {"loop": {"steps": 9, "batch": None}})
    assert (config.loop.steps, config.loop.batch) == (9, 8)


def test_a_named_dataset_takes_the_place_of_the_only_one() -> None:
    one = TrainConfig.model_validate({"data": {"datasets": [{"data": "a", "held_out": ["canny,target"]}]}})
    (share,) = one.with_data("b", "default").data.datasets
    assert (share.data, share.held_out) == ("b", ("canny,target",))
    assert one.with_data(None, "default") == one
    assert TrainConfig().with_data(None, "default").data.datasets[0].data == "default"
    mixed = TrainConfig.model_validate({"data": {"datasets": [{"data": "a"}, {"data": "c"}]}})
    with pytest.raises(PlanError, match="mixes 2 datasets"):
        mixed.with_data("b", "default")
