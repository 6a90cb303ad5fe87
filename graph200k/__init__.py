"""Graph-keyed multi-annotation image datasets.

Names are imported on first use, so that ``graph200k --help`` need not wait for numpy, networkx and pyarrow.
"""

from __future__ import annotations

import importlib
from typing import Any

_EXPORTS = {
    "Catalogue": "graph200k.catalogue",
    "Dataset": "graph200k.dataset",
    "GRAPH200K": "graph200k.catalogue",
    "Graph200KError": "graph200k.errors",
    "NodeType": "graph200k.catalogue",
    "Task": "graph200k.schema",
    "enumerate_tasks": "graph200k.schema",
    "features": "graph200k.hf_features",
    "find_task": "graph200k.schema",
    "graph200k_tasks": "graph200k.schema",
    "schema_graph": "graph200k.schema",
}

__all__ = sorted(_EXPORTS)


def __getattr__(name: str) -> Any:
    if name not in _EXPORTS:
        raise AttributeError(f"module 'graph200k' has no attribute {name!r}")
    return getattr(importlib.import_module(_EXPORTS[name]), name)


def __dir__() -> list[str]:
    return __all__
