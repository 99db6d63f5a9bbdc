"""Finds plugins: by entry point, or by ``path/to/file.py:Class``. Built-ins come in by the same door.

A plugin is a class; its ``Options`` attribute, where it has one, is the pydantic model of its own config keys.
Nothing is imported before it is asked for.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from hashlib import blake2b
from importlib.metadata import EntryPoint, PackageNotFoundError, distribution, entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

from executor.errors import PluginError

GROUPS = ("executor.sources", "executor.strategies", "executor.risk_rules", "executor.notifiers")
DISTRIBUTION = "fractrade-hyperliquid-executor"


@dataclass(frozen=True, slots=True)
class PluginInfo:
    """One registered plugin. ``origin`` is the distribution and its version, ``target`` is ``module:Class``."""

    name: str
    group: str
    origin: str
    target: str

    def load(self) -> type[Any]:
        """The class; raises PluginError with the remedy."""
        module, _, attribute = self.target.partition(":")
        try:
            return _class_in(importlib.import_module(module), attribute, f"plugin '{self.name}' ({self.origin})")
        except PluginError:
            raise
        except Exception as error:  # a stranger's module may raise anything while it is imported
            remedy = f"install what it needs, or mend {self.origin}"
            raise PluginError(f"plugin '{self.name}' cannot be imported: {_words(error)}", remedy) from error


@cache
def discover(group: str) -> tuple[PluginInfo, ...]:
    """Every plugin registered for a group, built-ins first, then by name. Imports none of them."""
    ours = [info for info in _built_in() if info.group == group]
    others = [info for info in _foreign() if info.group == group]
    return (*sorted(ours, key=_by_name), *sorted(others, key=_by_name))


def names(group: str) -> tuple[str, ...]:
    """The registered names of a group."""
    return tuple(dict.fromkeys(info.name for info in discover(group)))


def load(group: str, name: str, base: Path) -> type[Any]:
    """The class behind a registered name, or behind ``path.py:Class`` with the path starting at ``base``.

    Raises PluginError with the remedy. A built-in's name cannot be taken over by another distribution.
    """
    if ":" in name:
        return load_file(name, base)
    ours = [info for info in _built_in() if (info.group, info.name) == (group, name)]
    found = ours or [info for info in discover(group) if info.name == name]
    if not found:
        known = ", ".join(names(group)) or "none"
        raise PluginError(
            f"no plugin of {group} is called '{name}'", f"registered are: {known}; or write path.py:Class"
        )
    if len(found) > 1:
        origins = " and ".join(info.origin for info in found)
        raise PluginError(f"'{name}' is registered by {origins}", "uninstall one of them")
    return found[0].load()


def load_file(target: str, base: Path) -> type[Any]:
    """The class in a file, ``path/to/file.py:Class``; the same file is imported once. Raises PluginError."""
    file_name, _, attribute = target.rpartition(":")
    file = (base / Path(file_name).expanduser()).resolve()
    if not file_name.endswith(".py") or not file.is_file():
        raise PluginError(f"'{target}' is no file and class", f"write path/to/file.py:Class, the path from {base}")
    return _class_in(_module_of(file), attribute, target)


def _class_in(module: ModuleType, attribute: str, what: str) -> type[Any]:
    found = getattr(module, attribute, None)
    if not isinstance(found, type):
        classes = [name for name, value in vars(module).items() if _own_class(value, module)]
        raise PluginError(f"{what}: there is no class '{attribute}'", f"classes there: {', '.join(classes) or 'none'}")
    return found


def _own_class(value: object, module: ModuleType) -> bool:
    return isinstance(value, type) and value.__module__ == module.__name__


def _module_of(file: Path) -> ModuleType:
    """The file as a module under a name of its own, so that two files of one name do not meet."""
    name = f"executor_plugin_{file.stem}_{blake2b(str(file).encode(), digest_size=6).hexdigest()}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise PluginError(f"'{file.name}' cannot be imported", "a plugin file is Python source ending .py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module  # before running it: dataclasses and pydantic look their module up
    try:
        spec.loader.exec_module(module)
    except Exception as error:  # a user's file may raise anything while it is imported
        del sys.modules[name]
        raise PluginError(f"'{file.name}' cannot be imported: {_words(error)}", "mend the file") from error
    return module


def _words(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


@cache
def _built_in() -> tuple[PluginInfo, ...]:
    """Our own entry points: one file to read, however many distributions are installed."""
    try:
        return tuple(_infos(distribution(DISTRIBUTION).entry_points))
    except PackageNotFoundError:
        return ()


@cache
def _foreign() -> tuple[PluginInfo, ...]:
    """Everybody else's. The first distribution of a name on the path counts, as it does for imports."""
    installed = entry_points()
    points = [point for group in GROUPS for point in installed.select(group=group)]
    return tuple(info for info in _infos(points) if not info.origin.startswith(f"{DISTRIBUTION} "))


def _infos(points: Iterable[EntryPoint]) -> Iterable[PluginInfo]:
    origins: dict[int, str] = {}  # naming a distribution reads its whole metadata: once each
    for point in points:
        owner = point.dist
        if owner is not None and point.group in GROUPS:
            origin = origins.get(id(owner)) or origins.setdefault(id(owner), f"{owner.name} {owner.version}")
            yield PluginInfo(point.name, point.group, origin, point.value)


def _by_name(info: PluginInfo) -> str:
    return info.name
