"""Where a source lies: a file, a folder, a glob or brace pattern, on any file system fsspec knows."""

from __future__ import annotations

import os
import posixpath
import re
from functools import cached_property

from graph200k.errors import DatasetError, SourceError
from graph200k.storage import Folder

MAX_PATTERNS = 100_000
"""Names that one brace pattern may stand for."""

_MAGIC = re.compile(r"[*?\[{]")
_BRACES = re.compile(r"\{([^{}]*)\}")


class Location:
    """The files of a source, by their paths relative to one folder.

    Parameters
    ----------
    spec
        Path or URL of a file or folder, or a pattern: ``*``, ``?``, ``[ab]``, ``**`` over folders, ``{a,b}``,
        ``{000..012}``. A pattern that matches a folder stands for all files in it.
    output
        Folder whose files are no part of the source: a dataset is often written below its own photographs.

    Raises
    ------
    SourceError
        If there is nothing, or the file system is unknown or lacks its library.
    """

    def __init__(self, spec: str, output: Folder | None = None) -> None:
        self.spec = spec
        self._output = output
        self.absolute = spec if "://" in spec else os.path.abspath(spec)
        """The same place from any working folder."""
        self._pattern: str | None = None
        self._single: str | None = None
        self.folder = self._open()

    def __reduce__(self) -> tuple[type[Location], tuple[str]]:
        return Location, (self.absolute,)

    @property
    def is_file(self) -> bool:
        """Whether the source is one file, given by its name."""
        return self._single is not None

    @property
    def name(self) -> str:
        """Name of the file, or of the folder the paths are relative to."""
        return self._single or posixpath.basename(self.folder.path().rstrip("/"))

    @cached_property
    def files(self) -> tuple[str, ...]:
        """Sorted relative paths of all files."""
        if self._single is not None:
            return (self._single,)
        found = [path for path in self.folder.walk() if not self._is_output(path)]
        if self._pattern is not None:
            wanted = re.compile("|".join(f"(?:{glob_regex(pattern)})" for pattern in expand_braces(self._pattern)))
            found = [path for path in found if wanted.fullmatch(path)]
            if not found:
                raise SourceError(
                    f"nothing matches {self.spec}; expected files below {self.folder.shown()}; "
                    "check the pattern, and quote it in the shell"
                )
        return tuple(found)

    def _is_output(self, path: str) -> bool:
        if self._output is None or self._output.is_local != self.folder.is_local:
            return False
        return self.folder.path(path).startswith(self._output.path().rstrip("/") + "/")

    def _open(self) -> Folder:
        place = self.absolute.rstrip("/") or "/"
        whole = _folder(place)
        if whole.is_folder():
            return whole
        if whole.is_file():
            parent, self._single = place.rsplit("/", 1)
            return _folder(parent or "/")
        magic = _MAGIC.search(place)
        if magic is None or "/" not in place[: magic.start()]:
            raise SourceError(
                f"{self.spec} does not exist; expected a file, a folder, a pattern or an fsspec URL; check the path"
            )
        fixed = place[: magic.start()].rsplit("/", 1)[0]
        self._pattern = place[len(fixed) + 1 :]
        root = _folder(fixed or "/")
        if not root.is_folder():
            raise SourceError(f"{self.spec}: the folder {fixed} does not exist; check the path")
        return root


def _folder(url: str) -> Folder:
    try:
        return Folder(url)
    except DatasetError as error:
        raise SourceError(str(error)) from None


def expand_braces(pattern: str) -> list[str]:
    """Return the patterns that one with braces stands for, in order.

    Raises
    ------
    SourceError
        If there are more than :data:`MAX_PATTERNS`.

    Examples
    --------
    >>> expand_braces("a-{08..10}.{tar,tgz}")[:3]
    ['a-08.tar', 'a-08.tgz', 'a-09.tar']
    """
    patterns = [pattern]
    while any(_BRACES.search(found) for found in patterns):
        longer: list[str] = []
        for found in patterns:
            match = _BRACES.search(found)
            choices = _choices(match[1]) if match else [""]
            if len(longer) + len(choices) > MAX_PATTERNS:
                raise SourceError(f"{pattern} stands for more than {MAX_PATTERNS:,} names; use * instead")
            start, end = match.span() if match else (len(found), len(found))
            longer.extend(found[:start] + choice + found[end:] for choice in choices)
        patterns = longer
    return patterns


def _choices(inside: str) -> list[str]:
    numbers = re.fullmatch(r"(\d+)\.\.(\d+)", inside)
    if numbers is None:
        return inside.split(",")
    first, last = int(numbers[1]), int(numbers[2])
    if last - first > MAX_PATTERNS:
        raise SourceError(f"{{{inside}}} stands for more than {MAX_PATTERNS:,} names; use * instead")
    return [str(number).zfill(len(numbers[1])) for number in range(first, last + 1)]


def glob_regex(pattern: str) -> str:
    """Return the regular expression of a glob pattern; a folder that matches brings all files in it.

    Examples
    --------
    >>> bool(re.fullmatch(glob_regex("2023-*"), "2023-05/a/b.jpg")), bool(re.fullmatch(glob_regex("*.jpg"), "a/b.jpg"))
    (True, False)
    >>> bool(re.fullmatch(glob_regex("**/*.jpg"), "b.jpg"))
    True
    """
    pieces = []
    for token in re.findall(r"\*\*/|\*\*|\*|\?|\[[^\]]+\]|.", pattern, re.DOTALL):
        if token.startswith("[") and len(token) > 1:
            pieces.append("[" + token[1:-1].replace("\\", "\\\\").replace("!", "^", token[1] == "!") + "]")
        else:
            fixed = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
            pieces.append(fixed.get(token) or re.escape(token))
    return "".join(pieces) + "(?:/.*)?"
