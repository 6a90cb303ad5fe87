"""What validation measures: trained and held-out tasks, told all there is to say."""

from __future__ import annotations

import pytest

from sampler.config import DatasetShare, MixConfig, SamplerConfig
from support.datasets import make_varied_dataset
from trainer.config import ValidationSettings
from trainer.validation import HELD_OUT, TRAINED, validation_samplers

SETTINGS = ValidationSettings(contexts=(0, 1))


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("validation") / "data"
    make_varied_dataset(folder)
    return str(folder)


def mix(data: str, held_out: tuple[str, ...] | None) -> MixConfig:
    return MixConfig(
        datasets=(DatasetShare(data=data, held_out=held_out),), sampler=SamplerConfig(area_px=64**2, reverse=1.0)
    )


def test_a_dataset_that_names_no_held_out_tasks_is_validated_on_those_it_trains(data: str) -> None:
    assert set(validation_samplers(mix(data, None), SETTINGS)) == {(TRAINED, 0), (TRAINED, 1)}


def test_held_out_tasks_are_measured_apart_and_all_is_said_about_every_sample(data: str) -> None:
    samplers = validation_samplers(mix(data, ("canny,target",)), SETTINGS)
    assert set(samplers) == {(kind, contexts) for kind in (TRAINED, HELD_OUT) for contexts in (0, 1)}
    for (kind, contexts), sampler in samplers.items():
        samples = [sampler.sample(index) for index in range(40)]
        assert {sample.task.name == "canny,target" for sample in samples} == {kind == HELD_OUT}
        assert {len(sample.rows) for sample in samples} <= set(range(1, contexts + 2))
        assert all(sample.instructions.task for sample in samples)  # in training one in five is not told
        assert all(column == len(sample.rows[-1]) - 1 for sample in samples for _, column in sample.masked)
