import pickle
from pathlib import Path

import pytest

from annotators.base import ANNOTATORS
from annotators.lines import Canny
from annotators.weights import WEIGHTS
from graph200k.catalogue import GRAPH200K

NAMES = ("canny", "foreground", "hed", "mlsd")


@pytest.mark.parametrize("name", NAMES)
def test_declaration_names_known_things(name: str) -> None:
    annotator = ANNOTATORS[name]
    assert annotator.name == name
    assert set(annotator.reads) | set(annotator.produces) <= set(GRAPH200K)
    assert set(annotator.weights) <= set(WEIGHTS)


@pytest.mark.parametrize("name", NAMES)
def test_annotator_survives_the_way_to_a_worker(name: str) -> None:
    annotator = ANNOTATORS[name]()
    assert pickle.loads(pickle.dumps(annotator)) == annotator


def test_fingerprint_changes_with_a_parameter_and_only_then() -> None:
    assert Canny().fingerprint == Canny(low=100.0).fingerprint
    assert Canny().fingerprint != Canny(low=50.0).fingerprint


@pytest.mark.parametrize("name", ["hed", "foreground"])
def test_model_and_revision_name_the_weights(name: str) -> None:
    annotator = ANNOTATORS[name]()
    (weight,) = annotator.weights
    assert annotator.model == WEIGHTS[weight].model
    assert annotator.revision == WEIGHTS[weight].sha256[:12]


@pytest.mark.parametrize("name", ["canny", "mlsd"])
def test_annotators_without_weights_need_no_cache(name: str, tmp_path: Path) -> None:
    assert callable(ANNOTATORS[name]().load(tmp_path / "missing"))
