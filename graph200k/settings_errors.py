"""What is wrong with settings, in one line for people: pydantic's own words are five a problem, with a link."""

from __future__ import annotations

from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from graph200k.errors import name_hint

_MOST_PROBLEMS = 5
_LONGEST_VALUE = 40
_LONGEST = 400


def explain(error: Exception, model: type[BaseModel], noun: str = "setting") -> str:
    """Return in one line what is wrong with a file's values.

    Parameters
    ----------
    error
        What was raised when the file was read: of its ``ValidationError`` up to five problems are told, of any other
        error its message.
    model
        What the values were validated as; its fields are offered for names that it does not have.
    noun
        What a field is called.

    Examples
    --------
    >>> class Loop(BaseModel, extra="forbid"):
    ...     steps: int
    >>> try:
    ...     Loop.model_validate({"steps": "many", "stepps": 3})
    ... except ValidationError as error:
    ...     explain(error, Loop)
    "steps: Input should be a valid integer, found 'many' · stepps: no such setting; did you mean steps?"
    """
    if not isinstance(error, ValidationError):
        return " ".join(str(error).split())[:_LONGEST]
    problems = error.errors(include_url=False, include_context=False)
    told = [_explain_problem(problem, model, noun)[:_LONGEST] for problem in problems[:_MOST_PROBLEMS]]
    more = len(problems) - len(told)
    return " · ".join([*told, *([f"and {more} more"] if more else [])])


def _explain_problem(problem: ErrorDetails, model: type[BaseModel], noun: str) -> str:
    path = ".".join(map(str, problem["loc"]))
    if problem["type"] == "extra_forbidden":
        return f"{path}: no such {noun}; {name_hint(str(problem['loc'][-1]), _fields_at(model, problem['loc'][:-1]))}"
    said = problem["msg"].removeprefix("Value error, ").split(", unable to parse")[0]
    if problem["type"] not in {"missing", "value_error"}:
        said += f", found {_shown(problem['input'])}"
    said = " ".join(said.split())
    return f"{path}: {said}" if path else said


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST_VALUE else f"{text[: _LONGEST_VALUE - 1]}…"


def _fields_at(model: type[BaseModel], path: tuple[int | str, ...]) -> list[str]:
    """Return the names known at a place in a model; numbers and keys on the way are those of lists and dicts."""
    for name in path:
        if field := model.model_fields.get(str(name)):
            model = _model_in(field.annotation) or model
    return list(model.model_fields)


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the first model in a type such as ``tuple[Share, ...] | None``."""
    if isinstance(annotation, type) and not get_args(annotation) and issubclass(annotation, BaseModel):
        return annotation
    return next(filter(None, map(_model_in, get_args(annotation))), None)
