from benchmarks import annotators
from pipelines.annotate.config import PRESETS


def test_every_annotator_of_the_preset_default_is_measured_beside_a_bare_call() -> None:
    assert set(annotators.BARE) == set(annotators.LIBRARY) == set(PRESETS["default"])
