"""What is said of settings that do not fit."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from graph200k.settings_errors import explain


class Strict(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Share(Strict):
    data: str
    weight: float = Field(default=1.0, gt=0)


class Optimiser(Strict):
    clip: float = 2.0
    learning_rate: float = 1e-4

    @model_validator(mode="after")
    def _moderate(self) -> Optimiser:
        if self.clip > 100:
            raise ValueError(f"a clip of {self.clip} clips nothing")
        return self


class Run(Strict):
    steps: int = 1
    optimiser: Optimiser = Optimiser()
    shares: tuple[Share, ...] | None = None
    named: dict[str, Share] = {}


def explained(values: Any) -> str:
    with pytest.raises(ValidationError) as caught:
        Run.model_validate(values)
    return explain(caught.value, Run)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"optimiser": {"clipp": 1}}, "optimiser.clipp: no such setting; did you mean clip?"),
        ({"wd": 1}, "wd: no such setting; known: named, optimiser, shares, steps"),
        ({"shares": [{"data": "a", "weigth": 2}]}, "shares.0.weigth: no such setting; did you mean weight?"),
        ({"named": {"a": {"data": "a", "dat": 2}}}, "named.a.dat: no such setting; did you mean data?"),
        ({"steps": "many"}, "steps: Input should be a valid integer, found 'many'"),
        ({"shares": [{"data": "a", "weight": 0}]}, "shares.0.weight: Input should be greater than 0, found 0"),
        ({"shares": [{}]}, "shares.0.data: Field required"),
        ({"optimiser": {"clip": 101}}, "optimiser: a clip of 101.0 clips nothing"),
        ({"steps": "m" * 99}, f"steps: Input should be a valid integer, found '{'m' * 38}…"),
    ],
)
def test_a_problem_is_told_by_its_place_and_what_would_be_right(values: Any, said: str) -> None:
    assert explained(values) == said


def test_of_many_problems_five_are_told_in_one_line() -> None:
    said = explained({"steps": "many", **{f"name{number}": 0 for number in range(6)}})
    assert said.count(" · ") == 5
    assert said.startswith("steps: ")
    assert said.endswith(" · and 2 more")


def test_any_other_error_is_told_in_its_own_words_on_one_line() -> None:
    assert explain(ValueError("no\n  mapping"), Run) == "no mapping"
