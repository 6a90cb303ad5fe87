"""Edits on tiny pipelines of the real classes: captions rewritten, objects replaced, backgrounds kept to the pixel."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from annotators.answers import parse_edits
from annotators.base import AnnotateFunction
from annotators.edit_captions import EditCaptions, name_subject, rewrite
from annotators.flux import DepthJob, FillJob, Running, Sampling, load_depth, load_fill
from annotators.subject import box_region, mask_region
from annotators.tiny.base import tiny_model
from annotators.tiny.qwen_vl import CAPTION_ANSWER, EDITS_ANSWER, save_qwen_vl
from annotators.vision_language import Ask, load_vision_language_model
from graph200k.errors import AnswerError, PlanError, RejectedError
from graph200k.record import Box, Edit, Text
from support.generating import CUP, make_generator, make_view

LENIENT: dict[str, dict[str, Any]] = {
    "fill_edit": {"min_change": 0.5, "max_drift": 255.0},
    "depth_edit": {"min_change": 0.5},
}
"""What random weights paint is no edit; the gates have tests of their own."""

FILLS = [
    Edit(node="fill_edit", variant=number, name=f"jug {number}", description=f"Jug {number}.") for number in (0, 1)
]
DEPTHS = [Edit(node="depth_edit", variant=0, name="a jug", description="A jug on a table.")]
Load = Callable[..., AnnotateFunction]


@pytest.fixture(scope="module")
def load(tiny: Path) -> Load:
    """Return a function from name and parameters to what is loaded, once."""
    loaded: dict[tuple[Any, ...], AnnotateFunction] = {}

    def get(name: str, **parameters: Any) -> AnnotateFunction:
        key = (name, *parameters.items())
        if key not in loaded:
            loaded[key] = make_generator(name, tiny, **(LENIENT[name] | parameters)).load(Path("unused"))
        return loaded[key]

    return get


@pytest.fixture(scope="module")
def ask(tiny: Path) -> Ask:
    return load_vision_language_model("qwen_vl", tiny_model("qwen_vl", tiny).folder, max_pixels=50_176, max_tokens=300)


def answering(folder: Path, *edits: str) -> Ask:
    return load_vision_language_model("qwen_vl", save_qwen_vl(folder, edits=edits), max_pixels=50_176, max_tokens=300)


# --- captions


def test_a_caption_is_rewritten_for_each_variant_and_the_first_serves_both_kinds(tiny: Path) -> None:
    annotator = EditCaptions(local=tiny_model("qwen_vl", tiny), max_pixels=50_176)
    fills, depths = annotator.load(Path("unused"))(make_view(), np.random.default_rng(0))
    wanted = json.loads(EDITS_ANSWER)
    assert (fills.name, depths.name) == annotator.states
    assert [(edit.node, edit.variant, edit.name, edit.description) for edit in fills.value] == [
        ("fill_edit", variant, entry["name"], entry["description"]) for variant, entry in enumerate(wanted)
    ]
    (depth,) = depths.value
    assert (depth.node, depth.variant, depth.name) == ("depth_edit", 0, wanted[0]["name"])


def test_fewer_variants_take_the_first(ask: Ask) -> None:
    assert [edit.name for edit in rewrite(ask, make_view(), 2, np.random.default_rng(0))] == ["a jug", "a vase"]


def test_of_a_second_answer_what_is_there_is_taken(tmp_path: Path) -> None:
    two = json.dumps(json.loads(EDITS_ANSWER)[:2])
    edits = rewrite(answering(tmp_path / "model", two), make_view(), 5, np.random.default_rng(0))
    assert [edit.name for edit in edits] == ["a jug", "a vase"]


@pytest.mark.parametrize(
    "answer",
    ["I am sorry.", '[{"name": "cup", "description": "A cup."}]', CAPTION_ANSWER],
    ids=["words", "same", "keys"],
)
def test_an_answer_without_an_edit_is_a_failure_with_its_text(tmp_path: Path, answer: str) -> None:
    with pytest.raises(AnswerError, match=r"expected 1 × .* than a cup, found 0: "):
        rewrite(answering(tmp_path / "model", answer), make_view(), 5, np.random.default_rng(0))


@pytest.mark.parametrize(
    ("answer", "names"),
    [
        ('[{"name": "a jug", "description": "A jug."}]', ["a jug"]),
        ('```json\n[{"name": "a jug", "description": "A jug."},]\n```', ["a jug"]),
        ('[{"name": "a jug", "description": "A jug."}, {"name": "a va', ["a jug"]),
        ('[{"name": "jug", "description": "A."}, {"name": "A jug.", "description": "B."}]', ["jug"]),
        ('[{"name": "THE CUP", "description": "A."}, {"name": "jug", "description": "B."}]', ["jug"]),
        ('[{"name": "jug", "description": "a cup on a TABLE."}]', []),
        ('[{"name": "", "description": "A."}, {"name": "jug"}, {"name": 3, "description": "A."}]', []),
        ("[]", []),
    ],
)
def test_what_counts_as_an_edit(answer: str, names: list[str]) -> None:
    assert [edit.item for edit in parse_edits(answer, "a cup", "A cup on a table.", least=0)] == names
    with pytest.raises(AnswerError, match=f"found {len(names)}"):
        parse_edits(answer, "a cup", "A cup on a table.", least=len(names) + 1)


@pytest.mark.parametrize(
    ("text", "boxes", "subject"),
    [
        (Text(item="a red cup"), [CUP], "a red cup"),
        (Text(item="a dog"), [CUP], "cup"),
        (Text(item="a dog"), [], "a dog"),
        (Text(item="N/A"), [CUP], "cup"),
        (Text(), [], "the main subject"),
    ],
)
def test_caption_and_mask_speak_of_one_thing(text: Text, boxes: list[Box], subject: str) -> None:
    assert name_subject(make_view(text=text, boxes=boxes)) == subject


# --- fill_edit


def test_variants_fill_mask_and_box_in_turn_and_keep_every_pixel_outside(load: Load) -> None:
    view = make_view(edits=FILLS)
    made = list(load("fill_edit")(view, np.random.default_rng(0)))
    assert [(found.node, found.variant, found.role) for found in made] == [("fill_edit", 0, ""), ("fill_edit", 1, "")]
    assert [found.drawn["region"] for found in made] == ["mask", "box"]
    regions = mask_region(view["mask"], CUP, 0.02), box_region(CUP, 96, 128)
    for found, region in zip(made, regions, strict=True):
        assert (found.image.dtype, found.image.shape) == (np.uint8, (96, 128, 3))
        changed = (found.image != view["target"]).any(axis=-1)
        assert not changed[~region].any()
        assert changed[region].mean() > 0.8
        assert found.drawn["coverage"] == round(float(region.mean()), 4)
        assert found.drawn["rejected"] == {}


@pytest.mark.parametrize("name", LENIENT)
def test_same_seed_same_bytes_and_together_as_alone(load: Load, name: str) -> None:
    edits = FILLS if name == "fill_edit" else DEPTHS
    views, function = [make_view(edits=edits), make_view(1, (128, 96), edits=edits)], load(name)
    together = function.run(views, [np.random.default_rng(seed) for seed in (4, 5)])
    for seed, view, made in zip((4, 5), views, together, strict=True):
        alone = function(view, np.random.default_rng(seed))
        assert [found.image.tobytes() for found in made] == [found.image.tobytes() for found in alone]
        other = function(view, np.random.default_rng(seed + 10))
        assert not any((a.image == b.image).all() for a, b in zip(alone, other, strict=True))


@pytest.mark.parametrize("changed", ["image", "mask", "prompt"])
def test_picture_mask_and_prompt_count_for_the_filling(tiny: Path, changed: str) -> None:
    fill = load_fill("flux_fill", tiny_model("flux_fill", tiny).folder, Running())
    view = make_view(size=(64, 64))
    job = FillJob(view["target"], view["mask"].any(axis=-1), "a jug")
    other = {"image": 255 - job.image, "mask": ~job.mask, "prompt": "something else"}[changed]
    one, two = (fill([each], [0], Sampling(2, 30.0))[0] for each in (job, dataclasses.replace(job, **{changed: other})))
    assert (one != two).any()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        ({"boxes": []}, "no object was located"),
        ({"edits": []}, "there is no rewritten caption"),
        ({"boxes": [Box(name="cup", box=[0, 0, 128, 96], color=[9, 9, 9])]}, r"cup covers .*its box 100\.0%"),
        ({"boxes": [Box(name="cup", box=[5, 5, 8, 8], color=[9, 9, 9])]}, r"cup covers .*its box 0\.1%"),
    ],
    ids=["no box", "no caption", "box is everything", "too small"],
)
def test_a_record_that_cannot_be_edited_is_a_failure_that_says_why(load: Load, facts: Any, reason: str) -> None:
    with pytest.raises(RejectedError, match=reason):
        load("fill_edit")(make_view(**({"edits": FILLS} | facts)), np.random.default_rng(0))


def test_a_mask_that_covers_everything_is_not_edited_its_box_is(load: Load) -> None:
    view = make_view(edits=FILLS)
    view["mask"] = np.full_like(view["mask"], CUP.color)
    made = load("fill_edit")(view, np.random.default_rng(0))
    assert [found.drawn["region"] for found in made] == ["box", "box"]


def test_an_object_without_a_mask_is_edited_in_its_box(load: Load) -> None:
    view = make_view(edits=FILLS)
    view["mask"] = np.zeros_like(view["mask"])
    assert {found.drawn["region"] for found in load("fill_edit")(view, np.random.default_rng(0))} == {"box"}


@pytest.mark.parametrize(
    ("parameters", "reason"),
    [({"min_change": 256.0}, "unchanged 4"), ({"max_drift": 0.0}, "background_changed 4")],
)
def test_fillings_that_change_too_little_or_too_much_are_rejected_and_counted(
    load: Load, parameters: dict[str, float], reason: str
) -> None:
    function = load("fill_edit", tries=2, **parameters)
    with pytest.raises(RejectedError, match=f"no fill_edit was good enough in 4 tries: {reason}"):
        function(make_view(edits=FILLS), np.random.default_rng(0))


def test_variants_keep_their_numbers_when_others_are_missing(load: Load) -> None:
    late = [FILLS[0].model_copy(update={"variant": 3})]
    (made,) = load("fill_edit")(make_view(edits=late), np.random.default_rng(0))
    assert (made.variant, made.drawn["region"]) == (3, "box")


def test_coverages_that_leave_nothing_are_refused(tiny: Path) -> None:
    with pytest.raises(PlanError, match=r"coverage from 0\.5 to 0\.4"):
        make_generator("fill_edit", tiny, min_coverage=0.5, max_coverage=0.4)


# --- depth_edit


def test_the_first_edit_is_painted_on_the_depth(load: Load) -> None:
    (made,) = load("depth_edit")(make_view(edits=DEPTHS), np.random.default_rng(0))
    assert (made.node, made.variant, made.image.shape) == ("depth_edit", None, (96, 128, 3))
    assert made.drawn["rejected"] == {}


def test_without_a_rewritten_caption_there_is_no_edit(load: Load) -> None:
    with pytest.raises(RejectedError, match="no rewritten caption"):
        load("depth_edit")(make_view(), np.random.default_rng(0))


def test_an_edit_too_like_the_record_is_rejected(load: Load) -> None:
    with pytest.raises(RejectedError, match="no depth_edit was good enough in 3 tries: unchanged 3"):
        load("depth_edit", min_change=256.0)(make_view(edits=DEPTHS), np.random.default_rng(0))


@pytest.mark.parametrize("changed", ["depth", "prompt"])
def test_depth_and_prompt_count_for_the_edit(tiny: Path, changed: str) -> None:
    generate = load_depth("flux_depth", tiny_model("flux_depth", tiny).folder, Running())
    job = DepthJob(make_view(size=(64, 64))["depth"], "a jug")
    other = {"depth": job.depth[::-1].copy(), "prompt": ""}[changed]
    one, two = (
        generate([each], [0], Sampling(2, 10.0))[0] for each in (job, dataclasses.replace(job, **{changed: other}))
    )
    assert (one != two).any()


def test_redux_describes_the_record_only_where_it_is_asked_for(load: Load, tiny: Path) -> None:
    assert make_generator("depth_edit", tiny).model == "tiny:flux_depth"
    assert make_generator("depth_edit", tiny, reference_scale=0.5).model == "tiny:flux_depth + tiny:flux_redux"
    view = make_view(edits=DEPTHS)
    made = [load("depth_edit", reference_scale=scale)(view, np.random.default_rng(0))[0] for scale in (0.0, 0.5)]
    assert (made[0].image != made[1].image).any()


def test_pipelines_of_one_process_share_what_their_files_have_in_common(tiny: Path) -> None:
    fill = load_fill("flux_fill", tiny_model("flux_fill", tiny).folder, Running())
    depth = load_depth("flux_depth", tiny_model("flux_depth", tiny).folder, Running())
    again = load_depth("flux_depth", tiny_model("flux_depth", tiny).folder, Running())
    pipelines = [
        next(cell.cell_contents for cell in function.__closure__ if hasattr(cell.cell_contents, "transformer"))
        for function in (fill, depth, again)
    ]
    for part in ("vae", "text_encoder", "text_encoder_2", "tokenizer", "tokenizer_2"):
        assert getattr(pipelines[0], part) is getattr(pipelines[1], part)
    assert pipelines[0].transformer is not pipelines[1].transformer
    assert pipelines[1] is pipelines[2]
