"""What identifies a model by content: the same weights under another path are the same model."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch


def module_digest(module: torch.nn.Module) -> str:
    """Return a hash of a module's configuration, weights and their dtypes, in hex.

    All weights are read once: about 1 s a GB.
    """
    digest = hashlib.sha256()
    config = getattr(module, "config", {})
    digest.update(json.dumps({"class": type(module).__name__, **_stable(config)}, sort_keys=True, default=str).encode())
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name}\0{tensor.dtype}\0{tuple(tensor.shape)}\0".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()


def _stable(config: Any) -> dict[str, object]:
    """Return a configuration without where it was loaded from and by which version."""
    values = config.to_dict() if hasattr(config, "to_dict") else dict(config)  # transformers' and diffusers' classes
    return {key: value for key, value in values.items() if not key.startswith("_") and "version" not in key}
