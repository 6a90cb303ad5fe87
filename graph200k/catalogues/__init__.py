"""The node types of datasets other than Graph200K: one module a dataset, named as ``dataset.json`` names it.

Each module holds one :class:`~graph200k.catalogue.Catalogue` called ``CATALOGUE``; a further dataset is one more module
here, found by its file name. What reads such a dataset stands under the same name in ``pipelines/ingest/sources``.
"""

from __future__ import annotations

import importlib
import pkgutil

from graph200k.catalogue import GRAPH200K, Catalogue
from graph200k.errors import UnknownNameError


def catalogue_names() -> list[str]:
    """Return the names of all catalogues, that of Graph200K first.

    Examples
    --------
    >>> catalogue_names()
    ['graph200k', 'omniedit', 'photodoodle', 'viton_hd']
    """
    return [GRAPH200K.name, *sorted(module.name for module in pkgutil.iter_modules(__path__))]


def find_catalogue(name: str) -> Catalogue:
    """Return the catalogue with this name.

    Raises
    ------
    UnknownNameError
        With the closest names, if there is none.

    Examples
    --------
    >>> list(find_catalogue("viton_hd"))
    ['target', 'person', 'agnostic', 'garment']
    """
    if name == GRAPH200K.name:
        return GRAPH200K
    if name not in catalogue_names():
        raise UnknownNameError("catalogue", name, catalogue_names())
    catalogue: Catalogue = importlib.import_module(f"{__name__}.{name}").CATALOGUE
    return catalogue
