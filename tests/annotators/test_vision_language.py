"""Asking Qwen2-VL and Qwen2.5-VL: real classes that know one answer to each question."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from annotators.answers import Caption, parse_caption
from annotators.base import Annotation, Fact, RecordView
from annotators.captions import MachineCaption
from annotators.grounding import QUESTION, Grounding
from annotators.models import local_model
from annotators.tiny.depth import save_depth_model
from annotators.tiny.qwen_vl import BOXES_ANSWER, CAPTION_ANSWER, save_qwen_vl
from annotators.vision_language import Answer, Ask, ask_twice, load_vision_language_model
from graph200k.errors import AnswerError, MissingWeightsError

KINDS = ("qwen2_vl", "qwen2_5_vl")
REFUSAL = "I cannot help with that, sorry."
MARKED = (
    "<|object_ref_start|>the cup<|object_ref_end|><|box_start|>(250,500),(750,1000)<|box_end|>"
    "<|object_ref_start|>fog<|object_ref_end|><|box_start|>(5,5),(5,9)<|box_end|>"
)
IMAGE = np.random.default_rng(0).integers(0, 256, (120, 200, 3), dtype=np.uint8)


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    root = tmp_path_factory.mktemp("qwen")
    return {kind: save_qwen_vl(root / kind, kind=kind) for kind in KINDS}


@pytest.fixture(scope="module")
def doubtful(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model that most likely refuses, and almost as likely answers."""
    folder = tmp_path_factory.mktemp("doubtful")
    return save_qwen_vl(folder, boxes=(REFUSAL, BOXES_ANSWER), caption=(REFUSAL,))


def load_ask(folder: Path, *, max_pixels: int = 200_704, max_tokens: int = 200) -> Ask:
    return load_vision_language_model("qwen_vl", folder, max_pixels=max_pixels, max_tokens=max_tokens)


def load(folder: Path, **sizes: int) -> Callable[[np.ndarray, str, np.random.Generator | None], Answer]:
    """Return a function that asks about one image."""
    ask = load_ask(folder, **sizes)
    return lambda image, question, rng: ask([image], question, None if rng is None else [rng])[0]


def ground(folder: Path, image: np.ndarray = IMAGE, seed: int = 0, **parameters: float) -> list[Annotation | Fact]:
    annotator = Grounding(local=local_model("qwen_vl", folder), **parameters)
    return list(annotator.load(Path("unused"))(RecordView({"target": image}), np.random.default_rng(seed)))


@pytest.mark.parametrize("kind", KINDS)
def test_each_question_gets_its_answer(folders: dict[str, Path], kind: str) -> None:
    ask = load(folders[kind])
    assert ask(IMAGE, QUESTION, None).text == BOXES_ANSWER
    assert ask(IMAGE, "What is this?", None).text == CAPTION_ANSWER


@pytest.mark.parametrize(
    ("size", "frame"), [((120, 200), (196, 112)), ((64, 64), (56, 56)), ((1500, 2000), (504, 364))], ids=str
)
def test_qwen2_5_vl_counts_in_pixels_of_the_image_as_it_sees_it(
    folders: dict[str, Path], size: tuple[int, int], frame: tuple[int, int]
) -> None:
    assert load(folders["qwen2_5_vl"])(np.zeros((*size, 3), np.uint8), QUESTION, None).frame == frame


def test_qwen2_vl_counts_in_thousandths(folders: dict[str, Path]) -> None:
    assert load(folders["qwen2_vl"])(IMAGE, QUESTION, None).frame == (1000, 1000)


def test_boxes_come_out_drawn_and_stated_in_pixels_of_the_target(folders: dict[str, Path]) -> None:
    picture, fact = ground(folders["qwen2_5_vl"])
    scale = np.array([200 / 196, 120 / 112] * 2)
    expected = [np.round(np.array(entry["bbox_2d"]) * scale, 1).tolist() for entry in json.loads(BOXES_ANSWER)[:2]]
    assert [(box.name, box.box) for box in fact.value] == [("cup", expected[0]), ("handle", expected[1])]
    assert all(box.score > 0.99 for box in fact.value)
    drawn = {tuple(color) for color in picture.image.reshape(-1, 3)} - {(0, 0, 0)}
    assert drawn == {tuple(box.color) for box in fact.value}


def test_qwen2_vl_s_own_marks_survive_decoding(tmp_path: Path) -> None:
    _, fact = ground(save_qwen_vl(tmp_path, kind="qwen2_vl", boxes=(MARKED,)))
    assert [(box.name, box.box) for box in fact.value] == [("the cup", [50.0, 60.0, 150.0, 120.0])]


def test_an_answer_that_is_cut_off_counts_up_to_there(folders: dict[str, Path]) -> None:
    _, fact = ground(folders["qwen2_5_vl"], max_tokens=9)
    assert [box.name for box in fact.value] == ["cup"]


def test_nothing_in_the_picture_is_an_empty_map_and_no_boxes(tmp_path: Path) -> None:
    picture, fact = ground(save_qwen_vl(tmp_path, boxes=("[]",)))
    assert not picture.image.any()
    assert fact == Fact("boxes", [])


def test_the_second_answer_is_drawn_with_the_record_s_own_generator(doubtful: Path) -> None:
    ask = load(doubtful)
    answers = [ask(IMAGE, QUESTION, np.random.default_rng(seed)).text for seed in range(8)]
    assert set(answers) == {REFUSAL, BOXES_ANSWER}
    torch.manual_seed(99)
    assert [ask(IMAGE, QUESTION, np.random.default_rng(seed)).text for seed in range(8)] == answers
    assert {ask(IMAGE, QUESTION, None).text for _ in range(2)} == {REFUSAL}


def test_each_character_has_the_probability_of_its_token(folders: dict[str, Path], doubtful: Path) -> None:
    sure, torn = load(folders["qwen2_vl"])(IMAGE, QUESTION, None), load(doubtful)(IMAGE, QUESTION, None)
    assert len(sure.probabilities) == len(sure.text)
    assert (sure.probabilities > 0.99).all()
    assert 0.4 < torn.probabilities[0] < 0.6
    assert (torn.probabilities[8:] > 0.99).all()


def test_characters_of_several_bytes_have_one_probability_each(tmp_path: Path) -> None:
    text = '[{"bbox_2d": [1, 2, 30, 40], "label": "café ☕ 日本"}]'
    for length in (9, 200):
        answer = load(save_qwen_vl(tmp_path, boxes=(text,)), max_tokens=length)(IMAGE, QUESTION, None)
        assert len(answer.probabilities) == len(answer.text)
    assert answer.text == text


def test_a_second_answer_that_can_be_read_is_taken(doubtful: Path) -> None:
    ask = load(doubtful)
    lucky = next(seed for seed in range(50) if ask(IMAGE, QUESTION, np.random.default_rng(seed)).text != REFUSAL)
    assert [box.name for box in ground(doubtful, seed=lucky)[1].value] == ["cup", "handle"]


def test_two_answers_that_cannot_be_read_are_an_error_with_the_text(doubtful: Path) -> None:
    annotate = MachineCaption(local=local_model("qwen_vl", doubtful)).load(Path("unused"))
    with pytest.raises(AnswerError, match=f"two answers.*{REFUSAL}"):
        annotate(RecordView({"target": IMAGE}), np.random.default_rng(0))


@pytest.mark.parametrize("kind", KINDS)
def test_a_batch_of_images_of_any_size_is_asked_as_one_by_one(
    doubtful: Path, folders: dict[str, Path], kind: str
) -> None:
    images = [IMAGE, np.ascontiguousarray(IMAGE[:64, :64]), IMAGE.repeat(3, axis=0), IMAGE]
    for folder, random in ((folders[kind], False), (doubtful, True)):
        ask = load_ask(folder)
        rngs = [np.random.default_rng(seed) for seed in range(len(images))]
        alone = [
            ask([image], QUESTION, [np.random.default_rng(seed)] if random else None)[0]
            for seed, image in enumerate(images)
        ]
        for one, other in zip(ask(images, QUESTION, rngs if random else None), alone, strict=True):
            assert (one.text, one.frame) == (other.text, other.frame)
            np.testing.assert_allclose(one.probabilities, other.probabilities, atol=1e-3)


def test_one_answer_of_a_batch_that_cannot_be_read_takes_no_other_with_it(doubtful: Path) -> None:
    annotate = Grounding(local=local_model("qwen_vl", doubtful)).load(Path("unused"))
    views = [RecordView({"target": IMAGE})] * 8
    made = annotate.run(views, list(map(np.random.default_rng, range(8))))
    assert {isinstance(one, AnswerError) for one in made} == {True, False}
    for seed, one in enumerate(made):
        if isinstance(one, AnswerError):
            with pytest.raises(AnswerError, match="two answers"):
                annotate(views[seed], np.random.default_rng(seed))
        else:
            (_, fact), (_, alone) = one, annotate(views[seed], np.random.default_rng(seed))
            assert [box.box for box in fact.value] == [box.box for box in alone.value]


def test_a_caption_is_marked_as_machine_made(folders: dict[str, Path]) -> None:
    annotate = MachineCaption(local=local_model("qwen_vl", folders["qwen2_vl"])).load(Path("unused"))
    (fact,) = annotate(RecordView({"target": IMAGE}), np.random.default_rng(0))
    assert (fact.name, fact.value.item, fact.value.machine_made) == ("text", "a cup", True)


def test_half_precision_gives_the_same_answer(folders: dict[str, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("annotators.vision_language.bfloat16_placement", lambda: (torch.device("cpu"), torch.bfloat16))
    ((caption, _),) = ask_twice(
        load_ask(folders["qwen2_5_vl"]), [IMAGE], "?", parse_caption, [np.random.default_rng(0)]
    )
    assert caption == Caption("a cup", "A cup with a handle.")


def test_a_model_that_writes_nothing_is_refused(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match="--model qwen_vl=PATH"):
        load(save_depth_model(tmp_path))
