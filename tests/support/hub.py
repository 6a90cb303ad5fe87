"""Answers of the Hugging Face Hub's client, which tests never let out."""

from __future__ import annotations

import pytest


def refuse_downloads(monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    """Let every download end with an error."""

    def snapshot_download(*_: object, **__: object) -> str:
        raise error

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)


def hub_error(cls: type[Exception], message: str) -> Exception:
    """Return an error of the Hub's client without the answer that it belongs to."""
    error = cls.__new__(cls)
    Exception.__init__(error, message)
    return error
