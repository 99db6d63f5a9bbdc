"""The conformance kit: calls a plugin with ordinary and hostile inputs and says what it does right and wrong.

It shows what a plugin's author cannot see by trying it once: what the program would do with each answer. Nothing is
traded; a source is run for a moment, and listens to whatever its options name.
"""

from __future__ import annotations

import ast
import asyncio
import inspect
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from executor.testing.conformance.notifiers import check_notifier
from executor.testing.conformance.results import Results, Row
from executor.testing.conformance.rules import check_rule
from executor.testing.conformance.sources import check_source
from executor.testing.conformance.strategies import check_strategy

KITS: dict[str, Callable[[type[Any], Any, Results], Any]] = {
    "executor.strategies": check_strategy,
    "executor.risk_rules": check_rule,
    "executor.sources": check_source,
    "executor.notifiers": check_notifier,
}


def check_plugin(group: str, kind: type[Any], options: Mapping[str, Any]) -> tuple[Row, ...]:
    """Everything the kit of this group asks of the class, built with these options; a ``fail`` means: do not use it."""
    results = Results()
    _imports(kind, results)
    built, read = _options(kind, options, results)
    if built:
        asyncio.run(_in_a_loop(KITS[group], kind, read, results))
    return tuple(results.rows)


def group_of(kind: type[Any]) -> str | None:
    """The door a class belongs to, by what it offers; for files, which are registered nowhere."""
    if hasattr(kind, "check"):
        return "executor.risk_rules"
    if hasattr(kind, "run") and hasattr(kind, "channels"):
        return "executor.sources"
    if hasattr(kind, "notify"):
        return "executor.notifiers"
    names = [name for cls in kind.__mro__ for name in vars(cls)]
    marked = any(getattr(getattr(kind, name, None), "_executor_hooks", ()) for name in names)
    return "executor.strategies" if marked or any(name.startswith("on_") for name in names) else None


async def _in_a_loop(kit: Callable[..., Any], kind: type[Any], options: Any, results: Results) -> None:
    """Plugins live in a running event loop, and so do their tests."""
    outcome = kit(kind, options, results)
    if inspect.isawaitable(outcome):
        await outcome


def _imports(kind: type[Any], results: Results) -> None:
    """Only ``executor.api`` is stable: whatever else of the program is imported may be gone in the next version."""
    try:
        tree = ast.parse(inspect.getsource(inspect.getmodule(kind)))  # type: ignore[arg-type]  # a class has a module
    except (OSError, TypeError, SyntaxError) as error:
        results.skip("imports", f"its source cannot be read: {error}")
        return
    named = [n.module or "" for n in ast.walk(tree) if isinstance(n, ast.ImportFrom)]
    named += [alias.name for n in ast.walk(tree) if isinstance(n, ast.Import) for alias in n.names]
    odd = sorted({name for name in named if name.split(".")[0] == "executor" and name != "executor.api"})
    ours = kind.__module__.startswith("executor.")
    results.judge(
        "imports", ours or not odd, "of the program it imports executor.api alone", f"it imports {', '.join(odd)}"
    )


def _options(kind: type[Any], options: Mapping[str, Any], results: Results) -> tuple[bool, Any]:
    model = getattr(kind, "Options", None)
    if not (isinstance(model, type) and issubclass(model, BaseModel)):
        results.skip("options", "it has none")
        return True, None
    results.judge(
        "unknown keys",
        model.model_config.get("extra") == "forbid",
        "are errors",
        "are taken silently: derive Options from executor.api.Options",
    )
    try:
        read = model(**options)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "options"
        results.fail("options", f"{where}: {first['msg']} (give them with --with)")
        return False, None
    results.passed("options", "are read")
    return True, read


__all__ = ["KITS", "Row", "check_plugin", "group_of"]
