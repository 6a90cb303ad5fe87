"""Whatever keeps a model on the Hub is one error with its cause."""

from __future__ import annotations

from pathlib import Path

import pytest
from huggingface_hub.errors import GatedRepoError, LocalEntryNotFoundError, RevisionNotFoundError

from graph200k.errors import MissingWeightsError
from graph200k.hub import fetch
from support.hub import hub_error, refuse_downloads


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (hub_error(GatedRepoError, "401 Client Error."), "the Hub refused (401 Client Error.)"),
        (LocalEntryNotFoundError("offline"), "was not reached (offline)"),
        (hub_error(RevisionNotFoundError, "404"), "did not answer with it (404)"),
        (OSError("disk full\nor so"), "did not answer with it (disk full)"),
    ],
)
def test_whatever_goes_wrong_is_one_error_with_its_cause(
    monkeypatch: pytest.MonkeyPatch, error: Exception, words: str
) -> None:
    refuse_downloads(monkeypatch, error)
    with pytest.raises(MissingWeightsError) as raised:
        fetch("some/model", "v1", ["*.json"], "get it elsewhere")
    message = str(raised.value)
    assert message.startswith("no weights of some/model at v1: ") and message.endswith(f"{words}; get it elsewhere")


def test_what_is_in_the_cache_is_found_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    place = tmp_path / "models--some--model"
    (place / "snapshots" / ("a" * 40)).mkdir(parents=True)
    (place / "snapshots" / ("a" * 40) / "config.json").write_text("{}")
    assert fetch("some/model", "a" * 40, ["*.json"], "").joinpath("config.json").read_text() == "{}"
    with pytest.raises(MissingWeightsError, match="not in the Hub's cache"):
        fetch("some/model", "b" * 40, ["*.json"], "")
