"""Which settings the packages have and where each is read: by the source text alone, nothing is imported.

An attribute counts as read of a class where its owner is called as something that holds an instance: declared so, or
given what is.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from functools import cached_property

_SETTINGS = re.compile(r"(Options|Settings|Config|Request)$")
"""How a class of settings is called, or what it derives from."""

Pair = tuple[str, str]


class Sources:
    """The modules of the packages, parsed, and the classes in them by name: two may have the same one."""

    def __init__(self, modules: Sequence[ast.Module]) -> None:
        self.modules = modules
        self.classes: dict[str, list[ast.ClassDef]] = defaultdict(list)
        for module in modules:
            for node in ast.walk(module):
                if isinstance(node, ast.ClassDef):
                    self.classes[_bare(node.name)].append(node)
        self._declared = [list(_declarations(module)) for module in modules]
        self._given = [[pair for node in ast.walk(module) for pair in _gifts(node)] for module in modules]
        self._read = [_reads(module) for module in modules]

    @property
    def settings(self) -> dict[str, set[str]]:
        """Fields of each class of settings, by its name."""
        found = {name: self._fields(name) for name in self.classes if any(map(_SETTINGS.search, self._family(name)))}
        return {name: fields for name, fields in found.items() if fields}

    @property
    def models(self) -> dict[str, set[str]]:
        """Fields of each pydantic model, by its name."""
        return {name: self._fields(name) for name in self.classes if "BaseModel" in self._family(name)}

    def read(self, name: str) -> set[str]:
        """Return the attributes that are read of instances of a class, in it and elsewhere."""
        family = [each for each in self.classes if name in self._family(each)]
        own = {pair for each in family for cls in self.classes[each] for pair in _reads(cls)}
        found = {attribute for owner, attribute, _ in own if owner == "self"}
        members = {held for held, words in self._members if name in words} | {name}
        for declared, given, read in zip(self._declared, self._given, self._read, strict=True):
            here = {held for held, words in declared if name in words}
            here |= {target for target, value in given if value in here | members}
            found |= {
                attribute for owner, attribute, alone in read if owner in here or (owner in members and not alone)
            }
        return found

    def updates(self) -> set[str]:
        """Return the keys of literal dicts that ``model_copy(update=…)`` is given, itself or by a name."""
        found: set[str] = set()
        for module in self.modules:
            nodes = list(ast.walk(module))
            assigned = {
                _last(node.targets[0]): node.value
                for node in nodes
                if isinstance(node, ast.Assign) and isinstance(node.value, ast.Dict)
            }
            calls = (node for node in nodes if isinstance(node, ast.Call) and _last(node) == "model_copy")
            found.update(key for call in calls for keyword in call.keywords for key in _keys(keyword.value, assigned))
        return found

    @cached_property
    def _members(self) -> list[tuple[str, frozenset[str]]]:
        """What may be read or called from other modules: members of classes, and functions."""
        members = [node for classes in self.classes.values() for cls in classes for node in cls.body]
        functions = [node for module in self.modules for node in module.body if isinstance(node, ast.FunctionDef)]
        return [pair for node in [*members, *functions] for pair in _declared(node)]

    def _fields(self, name: str) -> set[str]:
        nodes = [node for each in self._family(name) for cls in self.classes.get(each, ()) for node in cls.body]
        pairs = [pair for node in nodes if isinstance(node, ast.AnnAssign) for pair in _declared(node)]
        return {field for field, words in pairs if "ClassVar" not in words}

    def _family(self, name: str) -> list[str]:
        """Return the names of a class and of all that it derives from."""
        bases = [_last(base) for cls in self.classes.get(name, ()) for base in cls.bases]
        return [name, *(each for base in bases if base != name for each in self._family(base))]


def _declarations(module: ast.Module) -> Iterator[tuple[str, frozenset[str]]]:
    for node in ast.walk(module):
        if isinstance(node, ast.arg):
            yield _bare(node.arg), _words(node.annotation)
        elif isinstance(node, ast.AnnAssign):
            yield from _declared(node)


def _declared(node: ast.AST) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield a variable or function with the words of its annotation."""
    if isinstance(node, ast.AnnAssign):
        yield _last(node.target), _words(node.annotation)
    elif isinstance(node, ast.FunctionDef):
        yield _bare(node.name), _words(node.returns)


def _gifts(node: ast.AST) -> Iterator[Pair]:
    """Yield what an assignment or a loop gives something to, with what it gives."""
    match node:
        case ast.Assign(targets=[ast.Tuple(elts=targets)], value=ast.Tuple(elts=values)):
            yield from zip(map(_last, targets), map(_last, values), strict=False)
        case ast.Assign(targets=[target], value=value) | ast.NamedExpr(target=target, value=value):
            parts = [value.body, value.orelse] if isinstance(value, ast.IfExp) else [value]
            yield from ((_last(target), _last(part)) for part in parts)
        case ast.For(target=target, iter=value) | ast.comprehension(target=target, iter=value):
            parts = value.args if isinstance(value, ast.Call) and _last(value) in {"zip", "enumerate"} else [value]
            yield from ((_last(each), _last(part)) for each in ast.walk(target) for part in parts)


def _reads(node: ast.AST) -> set[tuple[str, str, bool]]:
    """Return the attributes that are read, each with the last name of its owner, and whether that stands alone."""
    nodes = (one for one in ast.walk(node) if isinstance(one, ast.Attribute) and isinstance(one.ctx, ast.Load))
    return {(_last(one.value), one.attr, isinstance(one.value, ast.Name)) for one in nodes}


def _keys(update: ast.expr, assigned: dict[str, ast.Dict]) -> Iterator[str]:
    """Yield the keys of dicts and of unions of them, not of the values in them."""
    match update:
        case ast.BinOp():
            yield from (key for side in (update.left, update.right) for key in _keys(side, assigned))
        case ast.Name() if update.id in assigned:
            yield from _keys(assigned[update.id], assigned)
        case ast.Dict():
            yield from (str(key.value) for key in update.keys if isinstance(key, ast.Constant))


def _words(annotation: ast.expr | None) -> frozenset[str]:
    return frozenset(re.findall(r"\w+", ast.unparse(annotation))) if annotation else frozenset()


def _last(node: ast.AST) -> str:
    """Return the last name in a dotted expression, of what is called, or of what is looked into; "" for others."""
    match node:
        case ast.Name():
            return _bare(node.id)
        case ast.Attribute():
            return _bare(node.attr)
        case ast.Call():
            return _last(node.func)
        case ast.Subscript():
            return _last(node.value)
        case _:
            return ""


def _bare(name: str) -> str:
    return name.lstrip("_")
