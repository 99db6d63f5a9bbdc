"""Splits the entries that belong to plugins, and has the plugins' own models judge their part."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Any, Protocol

from pydantic import BaseModel

from executor.config.document import Document, Path
from executor.config.models import Config, Notify, Route, Rule, Source, secret_refs
from executor.config.overlay import did_you_mean
from executor.config.problems import Problem, Problems, validate
from executor.config.secret import SecretRef, looks_like_variable
from executor.errors import PluginError


class Plugins(Protocol):
    """What the configuration asks of the plugin registry; the module ``executor.plugins`` is one."""

    def names(self, group: str) -> Sequence[str]:
        """The registered names of an entry-point group."""

    def load(self, group: str, name: str, base: FilePath) -> type[Any]:
        """The class behind a registered name or ``path.py:Class`` (from ``base``); raises PluginError."""


@dataclass(frozen=True, slots=True)
class Block:
    """A list whose items name a plugin: under which key, and which keys are the program's own."""

    group: str
    selector: str
    model: type[BaseModel]

    @property
    def common(self) -> tuple[str, ...]:
        """The keys every item of the list has, whatever the plugin."""
        return tuple(name for name in self.model.model_fields if name not in ("raw", "options", "secrets"))


BLOCKS = {
    "sources": Block("executor.sources", "type", Source),
    "routes": Block("executor.strategies", "strategy", Route),
    "risk": Block("executor.risk_rules", "rule", Rule),
    "notify": Block("executor.notifiers", "type", Notify),
}

SPLIT = ("sources", "risk", "notify")
"""Lists whose items have the plugin's keys beside the program's own; those of routes stand below ``with``."""


def split(value: Any) -> Any:
    """The document's value with the plugins' keys of these lists' items moved below ``raw``."""
    if not isinstance(value, dict):
        return value
    return {key: _split_list(BLOCKS[key], items) if key in SPLIT else items for key, items in value.items()}


def _split_list(block: Block, items: Any) -> Any:
    if not isinstance(items, list):
        return items
    return [_split_item(block.common, item) if isinstance(item, dict) else item for item in items]


def _split_item(common: Sequence[str], item: dict[str, Any]) -> dict[str, Any]:
    own = {key: value for key, value in item.items() if key in common}
    return own | {"raw": {key: value for key, value in item.items() if key not in common}}


def attach(config: Config, document: Document, base: FilePath, plugins: Plugins) -> tuple[Config, tuple[str, ...]]:
    """The configuration with every plugin's options read, and warnings; raises Problems with all that is wrong."""
    found: list[Problem] = []
    warnings: list[str] = []
    update: dict[str, Any] = {}
    for key, block in BLOCKS.items():
        items = []
        for index, item in enumerate(getattr(config, key)):
            try:
                items.append(_attach(item, block, document, (key, index), base, plugins))
            except Problems as problems:
                found.extend(problems.found)
            except _NotImportable as error:
                items.append(item)
                warnings.append(str(error))
        update[key] = tuple(items)
    if found:
        raise Problems(found)
    return config.model_copy(update=update), tuple(warnings)


class _NotImportable(Exception):
    """A known plugin whose module, or something it needs, is not installed: its keys stay as they are."""


def _attach(item: Any, block: Block, document: Document, path: Path, base: FilePath, plugins: Plugins) -> Any:
    name = getattr(item, block.selector)
    model = options_model(_plugin(block, name, path, base, plugins))
    entry = _at(document.value, path)
    inside = (*path, "with") if isinstance(item, Route) else path
    raw = _raw(block, item, entry)
    update: dict[str, Any] = {"raw": raw}
    if isinstance(item, Source | Notify):
        update["secrets"] = _secrets(raw, path)
    if model is not None:
        options = validate(model, document, _given(model, entry, raw), inside)
        update["options"] = _absolute(options, base)
        if isinstance(item, Source | Notify):
            update["secrets"] = dict(secret_refs(dict(options))) | update["secrets"]
    return item.model_copy(update=update)


def _plugin(block: Block, name: str, path: Path, base: FilePath, plugins: Plugins) -> type[Any]:
    if ":" not in name and name not in plugins.names(block.group):
        hint = did_you_mean(name, plugins.names(block.group))
        raise Problems([Problem((*path, block.selector), f"no plugin is called '{name}'; {hint}")])
    try:
        return plugins.load(block.group, name, base)
    except PluginError as error:
        if isinstance(error.__cause__, ModuleNotFoundError):
            raise _NotImportable(error.message) from error
        raise Problems([Problem((*path, block.selector), f"{error.message}; {error.remedy}")]) from error


def options_model(plugin: type[Any]) -> type[BaseModel] | None:
    """The pydantic model of a plugin's own keys: its ``Options`` attribute, if it has one."""
    model = getattr(plugin, "Options", None)
    return model if isinstance(model, type) and issubclass(model, BaseModel) else None


def _raw(block: Block, item: Any, entry: Mapping[str, Any]) -> dict[str, Any]:
    """The plugin's own keys with exact numbers."""
    if isinstance(item, Route):
        return entry.get("with") or {}
    return {key: value for key, value in entry.items() if key not in block.common}


def _given(model: type[BaseModel], entry: Mapping[str, Any], raw: Mapping[str, Any]) -> dict[str, Any]:
    """What the plugin's model is asked to read: its keys, and those common ones it wants to see too.

    ``*_file`` and ``*_cmd`` are taken wherever the plugin knows ``*_env``: it receives the secret either way.
    """
    fields = model.model_fields
    shared = {key: entry[key] for key in fields if key in entry and key not in raw}
    return shared | {key: value for key, value in raw.items() if key in fields or not _is_variant(key, fields)}


def _is_variant(key: str, fields: Mapping[str, Any]) -> bool:
    name, _, kind = key.rpartition("_")
    return kind in ("file", "cmd") and f"{name}_env" in fields


def _secrets(raw: Mapping[str, Any], path: Path) -> dict[str, SecretRef]:
    refs: dict[str, SecretRef] = {}
    for name, ref in secret_refs(raw):
        if ref.kind == "env" and not looks_like_variable(ref.target):
            wrong = "takes the name of an environment variable, never the secret itself"
            raise Problems([Problem((*path, ref.key), wrong)])
        if name in refs:
            raise Problems([Problem((*path, ref.key), f"{refs[name].key} is written too; write one of them")])
        refs[name] = ref
    return refs


def _absolute(options: BaseModel, base: FilePath) -> BaseModel:
    """Relative paths start at the config's folder."""
    paths = {name: base / value.expanduser() for name, value in options if isinstance(value, FilePath)}
    return options.model_copy(update=paths) if paths else options


def _at(value: Any, path: Path) -> dict[str, Any]:
    for part in path:
        value = value[part]
    return dict(value)


def option_models(plugins: Plugins, block: Block, base: FilePath) -> Iterator[tuple[str, type[BaseModel] | None]]:
    """Each registered plugin of a block and its options model, for the JSON schema."""
    for name in plugins.names(block.group):
        with suppress(PluginError):
            yield name, options_model(plugins.load(block.group, name, base))
