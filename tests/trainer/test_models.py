from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import FluxTransformer2DModel
from huggingface_hub.errors import GatedRepoError

from graph200k.errors import MissingWeightsError, PlanError
from support.hub import hub_error, refuse_downloads
from trainer.dev_variant import CleanTokenFlux
from trainer.models import REVISIONS, ModelSettings, find_model, load_text, load_transformer, load_vae


def test_every_part_is_loaded_from_a_folder_in_the_dtype_asked_for_and_frozen(tiny_fill: Path) -> None:
    settings = ModelSettings(base=str(tiny_fill))
    folder = find_model(settings)
    assert folder == tiny_fill
    transformer = load_transformer(folder, settings)
    assert type(transformer) is FluxTransformer2DModel
    assert not any(parameter.requires_grad for parameter in transformer.parameters())
    models = [transformer, load_vae(folder, settings), load_text(folder, settings).text_encoder_2]
    assert [next(model.parameters()).dtype for model in models] == [torch.bfloat16] * 3


def test_flux_dev_becomes_the_variant_with_clean_tokens(tiny_dev: Path) -> None:
    assert type(load_transformer(tiny_dev, ModelSettings(dtype="float32"))) is CleanTokenFlux


def test_a_transformer_of_another_kind_is_refused(tiny_dev: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_dev, tmp_path / "control"))
    config = folder / "transformer" / "config.json"
    config.write_text(json.dumps(json.loads(config.read_text()) | {"in_channels": 128}))
    with pytest.raises(PlanError, match="128 input channels; expected 384"):
        load_transformer(folder, ModelSettings())


def test_a_folder_that_lacks_a_part_is_named_with_what_is_missing(tiny_fill: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(tiny_fill, tmp_path / "model", ignore=shutil.ignore_patterns("vae")))
    with pytest.raises(MissingWeightsError, match="lacks vae; expected the folders transformer, vae"):
        find_model(ModelSettings(base=str(folder)))


def test_what_is_neither_folder_nor_repository_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(MissingWeightsError, match=r"nowhere is no folder; expected one with transformer"):
        find_model(ModelSettings(base=str(tmp_path / "nowhere")))


def test_without_access_the_error_names_the_licence_page_and_the_option() -> None:
    with pytest.raises(MissingWeightsError) as caught:
        find_model(ModelSettings())
    message = str(caught.value)
    assert "https://huggingface.co/black-forest-labs/FLUX.1-Fill-dev" in message
    assert "model.base" in message
    assert "not in the Hub's cache" in message


def test_a_gated_model_without_login_names_the_licence_page_the_commit_and_the_option(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    refuse_downloads(monkeypatch, hub_error(GatedRepoError, "401 Client Error."))
    commit = REVISIONS["black-forest-labs/FLUX.1-Fill-dev"]
    with pytest.raises(MissingWeightsError, match=rf"{commit}: the Hub refused.*licence at \S+/FLUX.1-Fill-dev and "):
        find_model(ModelSettings())


@pytest.mark.parametrize(
    ("settings", "revision"),
    [({"base": "black-forest-labs/FLUX.1-dev"}, REVISIONS["black-forest-labs/FLUX.1-dev"]),
     ({"base": "somebody/tuned"}, "main"), ({"revision": "v2"}, "v2")],
)  # fmt: skip
def test_the_commit_is_pinned_where_one_is_known_and_can_be_chosen(settings: dict[str, str], revision: str) -> None:
    with pytest.raises(MissingWeightsError, match=f"at {revision}: not in the Hub's cache"):
        find_model(ModelSettings(**settings))
