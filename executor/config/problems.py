"""Turns what is wrong with a document into words for its author: where, what, and what was probably meant."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, TypeVar, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from executor.config.document import Document, Path
from executor.config.overlay import NAME_KEYS, did_you_mean
from executor.errors import ConfigError

M = TypeVar("M", bound=BaseModel)

_SECRET_WORD = re.compile(r"(api_?key|private|secret|token|passw|passphrase|mnemonic|signer)", re.IGNORECASE)
_QUOTABLE = re.compile(r"[\w.,:+-]{0,40}")

_WORDS = {
    "bool_type": "must be true or false",
    "decimal_parsing": "must be a number",
    "decimal_type": "must be a number",
    "dict_type": "must be keys and values",
    "int_type": "must be a whole number",
    "list_type": "must be a list",
    "missing": "is missing",
    "model_type": "must be keys and values",
    "string_type": "must be text",
    "tuple_type": "must be a list",
}
"""Pydantic's words for JSON, in the words of the file."""


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong, at one place of the document."""

    path: Path
    text: str


class Problems(Exception):
    """Everything found wrong in one pass; becomes one ConfigError at the border of the package."""

    def __init__(self, found: Iterable[Problem]) -> None:
        super().__init__("the configuration has problems")
        self.found = tuple(found)


def secret_word(key: str) -> bool:
    """Whether a key of this name probably holds a secret or speaks of one."""
    return bool(_SECRET_WORD.search(key))


def dotted(document: Document, path: Path) -> str:
    """The path as people write it: list items by their name (``sources.fractrade.url``)."""
    words: list[str] = []
    node = document.value
    for position, part in enumerate(path):
        node = _step(node, part)
        name = (
            node.get(NAME_KEYS.get(str(path[position - 1])))
            if isinstance(part, int) and isinstance(node, dict)
            else None
        )
        words.append(str(name) if name else str(part))
    return ".".join(words)


def as_error(document: Document, origin: str, found: Iterable[Problem]) -> ConfigError:
    """All problems as the one error the user sees, in the document's order."""
    lines = []
    for problem in found:
        mark = document.mark(problem.path)
        where = dotted(document, problem.path)
        lines.append(f"{mark.origin if mark else origin}: {where + ': ' if where else ''}{problem.text}")
    remedy = f"edit {origin}, then try `executor config validate`"
    if len(lines) == 1:
        return ConfigError(lines[0], remedy)
    return ConfigError(f"{len(lines)} problems in the configuration:\n  " + "\n  ".join(lines), remedy)


def validate(model: type[M], document: Document, value: Any, path: Path = ()) -> M:
    """``value``, which stands at ``path`` of the document, as the model; raises Problems.

    Validated as strict JSON: lists may be tuples and text a Decimal, but text is never a boolean. A number or
    boolean where text is wanted becomes the text as written, so ids of digits stay as they are.
    """
    as_text: set[Path] = set()
    while True:
        try:
            return model.model_validate_json(_json(value, document, path, as_text), strict=True, extra=_extra(model))
        except ValidationError as error:
            details = error.errors(include_url=False)
            wanted = {(*path, *d["loc"]) for d in details if d["type"] == "string_type" and _was_scalar(d["input"])}
            if wanted <= as_text:
                raise Problems(_problem(model, value, path, d) for d in details) from None
            as_text |= wanted


def _extra(model: type[BaseModel]) -> Any:
    """Unknown keys are errors, also where a plugin's author forgot to say so; not where he allowed them."""
    return None if model.model_config.get("extra") == "allow" else "forbid"


def _was_scalar(value: Any) -> bool:
    return isinstance(value, bool | int)


def _json(value: Any, document: Document, path: Path, as_text: set[Path]) -> str:
    """JSON with decimals as text, which pydantic reads exactly; as numbers it would round them."""
    if isinstance(value, dict):
        return (
            "{" + ",".join(f"{json.dumps(k)}:{_json(v, document, (*path, k), as_text)}" for k, v in value.items()) + "}"
        )
    if isinstance(value, list):
        return "[" + ",".join(_json(v, document, (*path, i), as_text) for i, v in enumerate(value)) + "]"
    if isinstance(value, Decimal) or path in as_text:
        mark = document.marks.get(path)
        return json.dumps(mark.text if mark and mark.text is not None else str(value))
    return json.dumps(value)


def _problem(model: type[BaseModel], value: Any, path: Path, detail: ErrorDetails) -> Problem:
    loc = detail["loc"]
    here = (*path, *loc)
    key = str(loc[-1]) if loc else ""
    if detail["type"] == "extra_forbidden":
        return Problem(here, _unknown_key(key, _fields_at(model, loc[:-1])))
    text = _WORDS.get(detail["type"]) or detail["msg"].removeprefix("Value error, ").replace(
        "Input should be", "must be"
    )
    return Problem(here, text + _got(key, _walk(value, loc)))


def _unknown_key(key: str, fields: Iterable[str]) -> str:
    known = list(fields)
    references = [f for f in known if f in (f"{key}_env", f"{key}_file", f"{key}_cmd")]
    if references:
        return f"secrets are not written here; write {references[0]} and where the secret lies"
    return f"unknown key; {did_you_mean(key, known)}"


def _got(key: str, value: Any) -> str:
    """The value in words, where it cannot be a secret."""
    text = str(value)
    if value is None or isinstance(value, dict | list) or secret_word(key) or not _QUOTABLE.fullmatch(text):
        return ""
    return f" (it is {text!r})"


def _fields_at(model: type[BaseModel], loc: tuple[str | int, ...]) -> list[str]:
    """The keys that the model standing at ``loc`` knows."""
    for part in loc:
        field = next((f for n, f in model.model_fields.items() if part in (n, f.alias)), None)
        inner = _model_in(field.annotation) if field else None
        model = inner or model
    return [
        field.alias or name for name, field in model.model_fields.items() if name not in ("raw", "options", "secrets")
    ]


def _model_in(annotation: Any) -> type[BaseModel] | None:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for arg in get_args(annotation) if (found := _model_in(arg))), None)


def _walk(value: Any, loc: tuple[str | int, ...]) -> Any:
    for part in loc:
        value = _step(value, part)
    return value


def _step(node: Any, part: str | int) -> Any:
    if isinstance(node, Mapping):
        return node.get(part)
    return node[part] if isinstance(node, list) and isinstance(part, int) and part < len(node) else None
