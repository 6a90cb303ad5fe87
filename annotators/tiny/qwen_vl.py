"""A Qwen2-VL or Qwen2.5-VL that knows one answer to each question."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import TYPE_CHECKING

from annotators.tiny.base import TINY_MODELS, seeded

if TYPE_CHECKING:
    from transformers import PretrainedConfig, ProcessorMixin, Qwen2TokenizerFast

BOXES_ANSWER = (
    '[{"bbox_2d": [4, 8, 40, 52], "label": "cup"}, {"bbox_2d": [14, 20, 30, 36], "label": "handle"}, '
    '{"bbox_2d": [5, 8, 40, 52], "label": "Cup"}]'
)
EDITS_ANSWER = (
    '[{"name": "a jug", "description": "A jug with a handle."}, {"name": "a vase", "description": "A vase."}, '
    '{"name": "a clock", "description": "A clock stands there."}, {"name": "a cat", "description": "A cat sits."}, '
    '{"name": "a lamp", "description": "A small lamp."}]'
)
CAPTION_ANSWER = '{"item": "a cup", "description": "A cup with a handle."}'


@TINY_MODELS.register("qwen_vl")
@seeded
def save_qwen_vl(
    folder: Path,
    *,
    kind: str = "qwen2_5_vl",
    boxes: tuple[str, ...] = (BOXES_ANSWER,),
    edits: tuple[str, ...] = (EDITS_ANSWER,),
    caption: tuple[str, ...] = (CAPTION_ANSWER,),
) -> Path:
    """Save a Qwen2-VL or Qwen2.5-VL that answers questions for boxes, for edits, and any other one, with given words.

    Its picture and layers run as in any other, with random weights; but what they add to a token comes out as nothing,
    and each token of an answer is followed by the one whose place in the dictionary it knows. Of several answers the
    first one is the likeliest, and the next ones are almost as likely.
    """
    import torch
    from transformers import AutoModelForImageTextToText

    tokenizer, starts, follows = _make_qwen_tokenizer({"boxes": boxes, "edits": edits, "caption": caption})
    model = AutoModelForImageTextToText.from_config(_qwen_config(kind, tokenizer))
    language = model.model.language_model
    with torch.no_grad():
        for layer in language.layers:
            layer.self_attn.o_proj.weight.zero_()
            layer.mlp.down_proj.weight.zero_()
        tokens = torch.nn.functional.normalize(torch.randn_like(language.embed_tokens.weight))
        language.embed_tokens.weight.copy_(tokens)
        model.lm_head.weight.zero_()
        for token, successor, doubt in follows:
            model.lm_head.weight[successor] += tokens[token] * (6.0 - 0.005 * doubt)
    model.save_pretrained(folder)
    _make_qwen_processor(kind, tokenizer, starts).save_pretrained(folder)
    return folder


_QWEN_MARKS = (
    "<|endoftext|>", "<|im_start|>", "<|im_end|>", "<|vision_start|>", "<|vision_end|>", "<|image_pad|>",
    "<|video_pad|>", "<|object_ref_start|>", "<|object_ref_end|>", "<|box_start|>", "<|box_end|>",
)  # fmt: skip


def _make_qwen_tokenizer(
    answers: dict[str, tuple[str, ...]],
) -> tuple[Qwen2TokenizerFast, dict[str, str], list[tuple[int, int, int]]]:
    """Return a tokenizer of bytes and pieces of answers, the mark that asks for each answer, and what follows what.

    A piece stands in one place of one answer only, and so knows its successor.
    """
    from tokenizers.pre_tokenizers import ByteLevel
    from transformers import Qwen2TokenizerFast

    vocab = {letter: number for number, letter in enumerate(sorted(ByteLevel.alphabet()))}
    tokenizer = Qwen2TokenizerFast(vocab=vocab, merges=[], pad_token="<|endoftext|>", eos_token="<|im_end|>")
    starts = {name: f"<|{name}|>" for name in answers}
    tokenizer.add_tokens([*_QWEN_MARKS, *starts.values()], special_tokens=True)
    follows, known = [], set[str]()
    for name, texts in answers.items():
        for doubt, text in enumerate(texts):
            pieces = _unique_pieces(text, known)
            tokenizer.add_tokens(pieces)
            chain = tokenizer.convert_tokens_to_ids([starts[name], *pieces, "<|im_end|>"])
            follows += [(chain[0], chain[1], doubt), *((*pair, 0) for pair in itertools.pairwise(chain[1:]))]
    return tokenizer, starts, follows


def _unique_pieces(text: str, known: set[str]) -> list[str]:
    pieces = []
    while text:
        length = next((n for n in range(8, len(text)) if text[:n] not in known), len(text))
        pieces.append(text[:length])
        known.add(text[:length])
        text = text[length:]
    return pieces


def _qwen_config(kind: str, tokenizer: Qwen2TokenizerFast) -> PretrainedConfig:
    from transformers import AutoConfig

    marks = {mark: tokenizer.convert_tokens_to_ids(mark) for mark in _QWEN_MARKS}
    text = {
        "vocab_size": len(tokenizer), "hidden_size": 128, "intermediate_size": 16, "num_hidden_layers": 1,
        "num_attention_heads": 2, "num_key_value_heads": 2, "max_position_embeddings": 32768,
        "rope_parameters": {"rope_type": "default", "mrope_section": [8, 12, 12], "rope_theta": 10000.0},
        "bos_token_id": marks["<|endoftext|>"], "eos_token_id": marks["<|im_end|>"],
        "pad_token_id": marks["<|endoftext|>"], "tie_word_embeddings": False,
    }  # fmt: skip
    vision = {
        "qwen2_vl": {"depth": 1, "embed_dim": 16, "num_heads": 2, "hidden_size": 128, "mlp_ratio": 2},
        "qwen2_5_vl": {
            "depth": 1, "hidden_size": 16, "intermediate_size": 16, "num_heads": 2, "out_hidden_size": 128,
            "fullatt_block_indexes": [0],
        },
    }[kind]  # fmt: skip
    return AutoConfig.for_model(
        kind, text_config=text, vision_config=vision, image_token_id=marks["<|image_pad|>"],
        video_token_id=marks["<|video_pad|>"], vision_start_token_id=marks["<|vision_start|>"],
        vision_end_token_id=marks["<|vision_end|>"],
    )  # fmt: skip


def _make_qwen_processor(kind: str, tokenizer: Qwen2TokenizerFast, starts: dict[str, str]) -> ProcessorMixin:
    from transformers import Qwen2_5_VLProcessor, Qwen2VLImageProcessor, Qwen2VLProcessor, Qwen2VLVideoProcessor

    template = (
        "{% for turn in messages %}<|im_start|>{{ turn['role'] }}\n{% for part in turn['content'] %}"
        "{% if part['type'] == 'image' %}<|vision_start|><|image_pad|><|vision_end|>{% else %}"
        "{{ part['text'] }}{% endif %}"
        "{% endfor %}<|im_end|>\n{% endfor %}<|im_start|>assistant\n"
        "{% set question = messages[-1]['content'][-1]['text'] %}"
        "{% if 'bbox_2d' in question %}BOXES{% elif '\"name\"' in question %}EDITS{% else %}CAPTION{% endif %}"
    )
    for name, start in starts.items():
        template = template.replace(name.upper(), start)
    family = Qwen2VLProcessor if kind == "qwen2_vl" else Qwen2_5_VLProcessor
    return family(
        image_processor=Qwen2VLImageProcessor(),
        tokenizer=tokenizer,
        video_processor=Qwen2VLVideoProcessor(),
        chat_template=template,
    )
