"""Settings from a file and the command line, and the annotators they choose."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from annotators.lines import Canny
from graph200k.errors import MissingWeightsError, PlanError, UnknownNameError
from pipelines.annotate.config import PRESETS, AnnotateConfig, annotator_names, choose_annotators, read_config


def test_the_command_line_stands_over_the_file_and_the_file_over_the_defaults(tmp_path: Path) -> None:
    file = tmp_path / "c.toml"
    file.write_text("seed = 3\nworkers = 2\n[annotators.canny]\nlow = 50.0\n")
    config = read_config(file, seed=7, preset=None)
    assert (config.seed, config.workers, config.preset) == (7, 2, "default")
    assert choose_annotators(config, ["canny"], tmp_path) == [Canny(low=50.0)]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a = [", "Invalid value"),
        ("sede = 1", "sede: no such setting; did you mean seed?"),
        ("workers = 'two'", "workers: Input should be a valid integer, found 'two'"),
    ],
)
def test_a_file_that_is_wrong_is_an_error_that_names_it_and_what_is_wrong(tmp_path: Path, text: str, said: str) -> None:
    file = tmp_path / "c.toml"
    file.write_text(text)
    with pytest.raises(PlanError, match=rf"--config .*c\.toml: {re.escape(said)}"):
        read_config(file)


def test_without_weights_a_preset_leaves_annotators_out_and_says_so_in_a_line_each(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.WARNING):
        chosen = choose_annotators(AnnotateConfig(), None, tmp_path)
    names = [annotator.name for annotator in chosen]
    assert names[:2] == ["canny", "mlsd"]
    left_out = set(PRESETS["default"]) - set(names)
    assert {"hed", "foreground"} <= left_out
    assert len(caplog.messages) == len(left_out)
    assert all("get them with `graph200k weights`" in message for message in caplog.messages)


def test_what_is_asked_for_by_name_and_lacks_its_weights_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="hed needs the weights of HED"):
        choose_annotators(AnnotateConfig(), ["hed"], tmp_path)


def test_unknown_names_and_parameters_are_errors(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="did you mean canny"):
        choose_annotators(AnnotateConfig(), ["cany"], tmp_path)
    with pytest.raises(UnknownNameError, match="did you mean canny"):
        choose_annotators(AnnotateConfig(annotators={"cany": {}}), ["canny"], tmp_path)
    with pytest.raises(PlanError, match="canny has no parameter lo; it has low, high, short_side"):
        choose_annotators(AnnotateConfig(annotators={"canny": {"lo": 1}}), ["canny"], tmp_path)


def test_a_node_type_means_the_annotator_of_the_preset_that_makes_it() -> None:
    assert annotator_names(AnnotateConfig(preset="default"), ["mlsd", "canny"]) == ["mlsd", "canny"]
    assert annotator_names(AnnotateConfig(preset="paper"), ["mlsd", "bbox"]) == ["mlsd_network", "bbox"]
    assert annotator_names(AnnotateConfig(preset="default"), ["background"]) == ["foreground"]
    with pytest.raises(UnknownNameError, match="mlsdd"):
        annotator_names(AnnotateConfig(), ["mlsdd"])
