"""Both kinds of style transfer on tiny pipelines of the real classes: pairs, seeds, and that every input counts."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotators.base import AnnotateFunction, Annotation
from annotators.flux import DepthJob, Running, Sampling, load_depth
from annotators.generative import GenerativeAnnotator
from annotators.procedural_styles import procedural_styles
from annotators.sdxl import StyleJob, StyleSampling, load_style_pipeline
from annotators.tiny.base import tiny_model
from graph200k.errors import PlanError, RejectedError
from graph200k.record import Text
from pipelines.annotate.config import AnnotateConfig, choose_annotators
from support.generating import make_generator, make_view

NAMES = ("instant_style", "redux_style")
Load = Callable[..., AnnotateFunction]


@pytest.fixture(scope="module")
def load(tiny: Path) -> Load:
    """Return a function from name and parameters to what is loaded, once."""
    loaded: dict[tuple[Any, ...], AnnotateFunction] = {}

    def get(name: str, **parameters: Any) -> AnnotateFunction:
        key = (name, *parameters.items())
        if key not in loaded:
            loaded[key] = make_generator(name, tiny, **parameters).load(Path("unused"))
        return loaded[key]

    return get


def images(made: list[Annotation]) -> list[np.ndarray]:
    return [annotation.image for annotation in made if annotation.role == "image"]


@pytest.mark.parametrize(("name", "variants"), [("instant_style", 3), ("redux_style", 2)])
def test_each_variant_is_a_pair_of_a_reference_and_an_image_of_the_size_of_the_target(
    load: Load, name: str, variants: int
) -> None:
    made = list(load(name)(make_view(), np.random.default_rng(0)))
    assert [(found.node, found.variant, found.role) for found in made] == [
        (name, variant, role) for variant in range(variants) for role in ("reference", "image")
    ]
    styles = dict(procedural_styles())
    for reference, image in zip(made[::2], made[1::2], strict=True):
        assert (image.image.dtype, image.image.shape) == (np.uint8, (96, 128, 3))
        assert reference.drawn == {name: image.drawn[name] for name in ("style", "seed")}
        assert (styles[image.drawn["style"]["name"]] == reference.image).all()
        assert image.drawn["rejected"] == {}
    assert len({found.drawn["style"]["name"] for found in made}) == variants
    assert len({found.drawn["seed"] for found in made}) == variants


@pytest.mark.parametrize("name", NAMES)
def test_same_seed_same_bytes_and_another_seed_another_picture(load: Load, name: str) -> None:
    once, again, other = (images(load(name)(make_view(), np.random.default_rng(seed))) for seed in (0, 0, 1))
    assert all((a == b).all() for a, b in zip(once, again, strict=True))
    assert not any((a == b).all() for a, b in zip(once, other, strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_records_made_together_come_out_as_alone(load: Load, name: str) -> None:
    views = [make_view(seed=0), make_view(seed=1, size=(128, 96))]
    function = load(name)
    together = function.run(views, [np.random.default_rng(seed) for seed in (4, 5)])
    for seed, view, made in zip((4, 5), views, together, strict=True):
        alone = images(function(view, np.random.default_rng(seed)))
        assert [image.shape for image in images(made)] == [view["target"].shape] * len(alone)
        assert all((a == b).all() for a, b in zip(images(made), alone, strict=True))


def test_the_reference_reaches_the_style_block_and_no_other(tiny: Path) -> None:
    folders = {name: tiny_model(name, tiny).folder for name in ("sdxl", "sdxl_canny", "ip_adapter")}
    pipeline, stylise = load_style_pipeline(folders, Running())
    job = StyleJob(np.zeros((64, 64), np.uint8), make_view()["target"], "a cup")
    (drawn,) = stylise([job], [0], StyleSampling(1, 5.0, 0.7, 0.6, ""))
    scales = {
        name: processor.scale[0]
        for name, processor in pipeline.unet.attn_processors.items()
        if hasattr(processor, "scale")
    }
    reached = {name for name, scale in scales.items() if scale}
    assert len(scales) > 5
    assert reached == {name for name in scales if name.startswith("up_blocks.0.attentions.1.")}
    assert {scales[name] for name in reached} == {0.7}
    # And so it is in the picture: without the style block's share the reference changes nothing.
    other = dataclasses.replace(job, reference=255 - job.reference)
    (changed,) = stylise([other], [0], StyleSampling(1, 5.0, 0.7, 0.6, ""))
    assert (drawn != changed).any()
    off = [stylise([each], [0], StyleSampling(1, 5.0, 0.0, 0.6, ""))[0] for each in (job, other)]
    assert (off[0] == off[1]).all()


@pytest.mark.parametrize("changed", ["canny", "text"])
def test_edges_and_text_count_for_instant_style(load: Load, changed: str) -> None:
    view, other = make_view(), make_view(text=Text(description="A dog."))
    if changed == "canny":
        other = make_view()
        other["canny"] = np.rot90(view["canny"], 2).copy()
    function = load("instant_style", variants=1)
    (one,), (two,) = (images(function(each, np.random.default_rng(0))) for each in (view, other))
    assert (one != two).any()


@pytest.mark.parametrize("changed", ["depth", "reference", "reference_scale"])
def test_depth_and_reference_count_for_redux_style(tiny: Path, changed: str) -> None:
    redux = ("flux_redux", tiny_model("flux_redux", tiny).folder)
    generate = load_depth("flux_depth", tiny_model("flux_depth", tiny).folder, Running(), redux=redux)
    view = make_view()
    job = DepthJob(view["depth"], "", procedural_styles()[0][1])
    other = {
        "depth": dataclasses.replace(job, depth=view["depth"][::-1].copy()),
        "reference": dataclasses.replace(job, reference=procedural_styles()[4][1]),
        "reference_scale": dataclasses.replace(job, reference_scale=0.5),
    }[changed]
    one, two = (generate([each], [0], Sampling(2, 10.0))[0] for each in (job, other))
    assert (one != two).any()


def test_references_made_together_are_not_mixed(tiny: Path) -> None:
    """Redux' own pipeline would add up the descriptions of a batch."""
    redux = ("flux_redux", tiny_model("flux_redux", tiny).folder)
    generate = load_depth("flux_depth", tiny_model("flux_depth", tiny).folder, Running(), redux=redux)
    jobs = [DepthJob(make_view()["depth"], "", procedural_styles()[number][1]) for number in (0, 4)]
    sampling = Sampling(2, 10.0)
    together = np.stack(_at_once(generate, jobs, sampling)).astype(int)
    alone = np.stack([generate([job], [7], sampling)[0] for job in jobs])
    assert np.abs(together - alone).max() <= 1  # batched sums differ in their last bits
    assert (alone[0] != alone[1]).any()


def _at_once(generate: Callable[..., list[np.ndarray]], jobs: list[DepthJob], sampling: Sampling) -> list[np.ndarray]:
    """Return what is made of jobs in one batch, as on a GPU."""
    size = next(cell.cell_contents for cell in generate.__closure__ or () if hasattr(cell.cell_contents, "fit"))
    size.now = len(jobs)
    try:
        return generate(jobs, [7] * len(jobs), sampling)
    finally:
        size.now = 1


@pytest.mark.parametrize("name", NAMES)
def test_a_picture_too_like_the_target_is_made_again_and_in_the_end_a_failure(load: Load, name: str) -> None:
    function = load(name, variants=2, min_change=256.0, tries=2)
    with pytest.raises(RejectedError, match=rf"no {name} was good enough in 4 tries: same_as_target 4"):
        function(make_view(), np.random.default_rng(0))


def test_a_record_without_words_is_stylised_all_the_same(load: Load) -> None:
    made = load("instant_style", variants=1)(make_view(text=Text(description="N/A")), np.random.default_rng(0))
    assert len(made) == 2


@pytest.mark.parametrize(
    ("parameters", "reason"), [({"max_nsfw": 0.0}, "nsfw"), ({"min_agreement": 2.0}, "disagrees_with_prompt")]
)
def test_gates_of_models_reject_when_they_are_on(load: Load, parameters: dict[str, float], reason: str) -> None:
    function = load("instant_style", variants=1, tries=1, min_change=0.0, **parameters)
    with pytest.raises(RejectedError, match=f"{reason} 1"):
        function(make_view(), np.random.default_rng(0))


def test_models_of_gates_that_are_off_are_neither_loaded_nor_named(tiny: Path) -> None:
    off, on = (make_generator("instant_style", tiny, max_nsfw=limit) for limit in (1.0, 0.5))
    assert off.model == "tiny:sdxl + tiny:sdxl_canny + tiny:ip_adapter"
    assert on.model == off.model + " + tiny:nsfw"
    assert on.needs.cheap


def test_the_bank_is_a_parameter_by_its_pictures(tiny: Path) -> None:
    annotator = make_generator("redux_style", tiny)
    assert annotator.parameters["style_bank"] == "635fe1b319279187"
    smaller = dataclasses.replace(annotator.styles, pictures=annotator.styles.pictures[:2])
    assert dataclasses.replace(annotator, bank=smaller).fingerprint != annotator.fingerprint


@pytest.mark.parametrize("name", NAMES)
def test_fewer_than_one_try_is_refused(tiny: Path, name: str) -> None:
    with pytest.raises(PlanError, match="tries = 0"):
        make_generator(name, tiny, tries=0)


@pytest.mark.parametrize("name", NAMES)
def test_without_variants_an_annotator_is_left_out_of_a_run(name: str, tiny: Path) -> None:
    settings = {"preset": "smoke", "annotators": {name: {"variants": 0}}}
    assert choose_annotators(AnnotateConfig.model_validate(settings), [name], tiny) == []
    assert len(choose_annotators(AnnotateConfig(preset="smoke"), [name], tiny)) == 1


def test_every_generator_is_one_of_these(tiny: Path) -> None:
    assert all(isinstance(make_generator(name, tiny), GenerativeAnnotator) for name in NAMES)
