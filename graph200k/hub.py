"""Files of models on the Hugging Face Hub, or one line that says why they are not to be had."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from graph200k.errors import MissingWeightsError


def fetch(repository: str, revision: str, files: Sequence[str], advice: str) -> Path:
    """Return the folder of a model in the Hub's cache, with what was missing there fetched.

    Parameters
    ----------
    repository
        ``owner/name``.
    revision
        Commit, branch or tag.
    files
        Patterns of the files that are needed; no other is fetched.
    advice
        What the error says after the cause: what is expected, and how to come by it.

    Raises
    ------
    MissingWeightsError
        If they cannot be had: no network (or ``HF_HUB_OFFLINE=1``), no such revision, or a licence not accepted.
    """
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(repository, revision=revision, allow_patterns=list(files)))
    except (GatedRepoError, LocalEntryNotFoundError, HfHubHTTPError, OSError) as error:
        if isinstance(error, GatedRepoError):
            why = "the Hub refused"
        elif isinstance(error, LocalEntryNotFoundError):
            why = "not in the Hub's cache, and the Hub was not reached"
        else:
            why = "the Hub did not answer with it"
        cause = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise MissingWeightsError(
            f"no weights of {repository} at {revision}: {why} ({cause[:200]}); {advice}"
        ) from error
