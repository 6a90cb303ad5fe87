import pickle
from pathlib import Path

import pytest
from huggingface_hub.errors import GatedRepoError

from annotators import models
from annotators.models import MODELS, ModelId, find_model, local_model, resolve
from graph200k.errors import MissingWeightsError, UnknownNameError
from support.hub import hub_error, refuse_downloads


@pytest.fixture(autouse=True)
def empty_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Make the Hub's cache an empty folder; the tests run offline."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


@pytest.mark.parametrize("name", MODELS)
def test_every_model_says_what_a_user_must_know(name: str) -> None:
    model = MODELS[name]
    assert model.name == name
    assert model.id.count("/") == 1
    assert model.revision
    assert model.pinned
    assert model.licence
    assert 0 < model.size_gb < 100
    assert model.files


@pytest.mark.parametrize("name", MODELS)
def test_only_weights_that_run_no_code_are_fetched(name: str) -> None:
    weights = [pattern for pattern in MODELS[name].files if pattern.rsplit(".")[-1] not in {"json", "txt"}]
    for pattern in weights:
        assert pattern == "tokenizer/*" or pattern.endswith((".safetensors", ".pth", ".pt", ".onnx"))


def test_models_of_one_repository_are_of_one_commit() -> None:
    revisions = {(model.id, model.revision) for model in MODELS.values()}
    assert len(revisions) == len({model.id for model in MODELS.values()})


def test_a_commit_is_pinned_and_a_branch_is_not() -> None:
    fields = {"name": "x", "id": "a/b", "licence": "MIT", "gated": False, "size_gb": 1.0, "files": ("*.json",)}
    assert ModelId(revision="0123456789abcdef" * 2 + "01234567", **fields).pinned
    assert not ModelId(revision="main", **fields).pinned


def test_a_missing_model_is_named_with_licence_page_and_the_option_that_helps() -> None:
    with pytest.raises(MissingWeightsError) as raised:
        resolve("depth")
    for part in ("Depth-Anything-V2-Large-hf", "CC-BY-NC-4.0", MODELS["depth"].page, "--model depth=PATH", "1.3 GB"):
        assert part in str(raised.value)


def test_a_gated_model_without_login_says_where_to_accept_its_licence(monkeypatch: pytest.MonkeyPatch) -> None:
    gated = ModelId(name="matte", id="some/Gated", revision="main", licence="CC-BY-NC-4.0", gated=True, size_gb=0.9,
                    files=("*.json", "*.safetensors"))  # fmt: skip
    monkeypatch.setattr(models, "MODELS", {"matte": gated})
    refuse_downloads(monkeypatch, hub_error(GatedRepoError, "401 Client Error."))
    with pytest.raises(MissingWeightsError, match=r"accept the licence .*some/Gated and log in .*--model matte=PATH"):
        resolve("matte")


def test_an_unknown_model_is_answered_with_the_closest_name(tmp_path: Path) -> None:
    with pytest.raises(UnknownNameError, match="depth"):
        local_model("dept", tmp_path)
    with pytest.raises(UnknownNameError, match="sam2"):
        resolve("sam")


def test_a_models_files_are_found_in_the_cache_and_others_of_its_repository_are_not(empty_cache: Path) -> None:
    assert find_model("mlsd") is None
    repository = empty_cache / "models--lllyasviel--Annotators"
    snapshot = repository / "snapshots" / MODELS["mlsd"].revision
    snapshot.mkdir(parents=True)
    (snapshot / "mlsd_large_512_fp32.pth").write_bytes(b"weights")
    assert find_model("mlsd") == snapshot
    assert find_model("openpose") is None


def test_a_folder_of_the_users_takes_the_models_place(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    local = local_model("depth", tmp_path)
    assert resolve("depth", local) == tmp_path
    assert pickle.loads(pickle.dumps(local)) == local


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_without_files_is_refused_before_anything_starts(tmp_path: Path, exists: bool) -> None:
    folder = tmp_path / "model"
    if exists:
        folder.mkdir()
    with pytest.raises(MissingWeightsError, match=r"--model depth=.*model .*Depth-Anything"):
        local_model("depth", folder)


def test_a_folder_that_another_machine_lacks_is_named(tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text("{}")
    local = local_model("depth", tmp_path)
    (tmp_path / "config.json").unlink()
    tmp_path.rmdir()
    with pytest.raises(MissingWeightsError, match="not a folder on this machine"):
        resolve("depth", local)


def test_content_identifies_a_folder_and_its_path_does_not(tmp_path: Path) -> None:
    for name, text in (("a", "one"), ("b", "one"), ("c", "two")):
        (tmp_path / name / "sub").mkdir(parents=True)
        (tmp_path / name / "sub" / "weights").write_text(text)
    a, b, c = (local_model("depth", tmp_path / name).digest for name in "abc")
    assert a == b != c
