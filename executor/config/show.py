"""Shows a configuration to people and programs: effective values with their origin, and the JSON Schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from executor.config.models import Config, Route, Source
from executor.config.overlay import NAME_KEYS
from executor.config.plugged import BLOCKS, Block, Plugins, option_models
from executor.config.problems import secret_word
from executor.config.secret import SecretRef

_MASK = "***"
_HEX_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")
_USERINFO = re.compile(r"(?<=://)[^/@\s]+@")
_QUERY_VALUE = re.compile(r"(?<==)[^&#\s]+")
_HIDDEN = ("raw", "options", "secrets")


def masked(key: str, value: Any) -> Any:
    """The value as it may be seen: no secret, and of a command its first word."""
    if not isinstance(value, str):
        return value
    if key.endswith("_cmd"):
        return SecretRef(key, "cmd", value).shown
    if _HEX_KEY.search(value) or (secret_word(key) and not key.endswith(("_env", "_file"))):
        return _MASK
    return _without_credentials(value) if "://" in value else value


def _without_credentials(url: str) -> str:
    address, mark, query = _USERINFO.sub(f"{_MASK}@", url).partition("?")
    return address + mark + _QUERY_VALUE.sub(_MASK, query)


def shown(config: Config, provenance: Mapping[str, str]) -> dict[str, Any]:
    """The configuration as nested dictionaries; each leaf tells its value and where it came from."""
    return {name: _block(name, getattr(config, name), name, provenance) for name in Config.model_fields}


def _block(key: str, value: Any, path: str, provenance: Mapping[str, str]) -> Any:
    if isinstance(value, BaseModel):
        return {name: _block(name, inner, f"{path}.{name}", provenance) for name, inner in _entries(value).items()}
    if isinstance(value, tuple) and value and all(isinstance(item, BaseModel) for item in value):
        names = [str(getattr(item, NAME_KEYS.get(key, ""), index)) for index, item in enumerate(value)]
        return {name: _block(key, item, f"{path}.{name}", provenance) for name, item in zip(names, value, strict=True)}
    return {"value": _plain(key, value), "from": _origin(path, provenance)}


def _entries(model: BaseModel) -> dict[str, Any]:
    """The keys as their author would write them: a plugin's beside the common ones, a strategy's below ``with``."""
    entries = {name: value for name, value in model if name not in _HIDDEN}
    options = getattr(model, "options", None)
    own = dict(options) if isinstance(options, BaseModel) else {}
    own = {**getattr(model, "raw", {}), **own}
    if isinstance(model, Route):
        return entries | {"with": own}
    return {**entries, **own, **entries}  # the common keys first, and in the program's own reading


def _plain(key: str, value: Any) -> Any:
    """Masked and fit for JSON."""
    if isinstance(value, BaseModel):
        value = dict(value)
    if isinstance(value, Mapping):
        return {str(k): _plain(str(k), v) for k, v in value.items()}
    if isinstance(value, tuple | list | set | frozenset):
        return [_plain(key, item) for item in value]
    if value is None or isinstance(value, bool | int):
        return value
    return masked(key, str(value))


def _origin(path: str, provenance: Mapping[str, str]) -> str:
    """The key's own origin, or its block's when a whole block was given at once."""
    return provenance.get(path, "default")


def json_schema(plugins: Plugins, base: Path) -> dict[str, Any]:
    """The JSON Schema of the file, with the options of every registered plugin in place."""
    schema = Config.model_json_schema()
    for key, block in BLOCKS.items():
        variants = [_variant(schema, block, name, model) for name, model in option_models(plugins, block, base)]
        schema["properties"][key]["items"] = {"anyOf": [*variants, _open_variant(schema, block)]}
    for item in (Source.__name__, "Rule", "Notify"):
        schema["$defs"].pop(item, None)
    return schema


def _variant(schema: dict[str, Any], block: Block, name: str, model: type[BaseModel] | None) -> dict[str, Any]:
    """One list item as this plugin wants it."""
    item = _open_variant(schema, block)
    options: dict[str, Any] = _options_schema(model) if model else {"additionalProperties": True}
    schema["$defs"].update(options.pop("$defs", {}))
    item["properties"] |= {block.selector: {"const": name}}
    if block.model is Route:
        item["properties"]["with"] = options
        return item
    item["properties"] = options.get("properties", {}) | item["properties"]
    item["required"] = sorted({*item["required"], *options.get("required", [])})
    item["additionalProperties"] = model is None
    return item


def _options_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The plugin's own keys; each secret's ``*_env`` may be its ``*_file`` or ``*_cmd`` instead."""
    options = model.model_json_schema()
    names = [key.removesuffix("_env") for key in options.get("properties", {}) if key.endswith("_env")]
    options["properties"] = options.get("properties", {}) | {
        f"{name}_{kind}": {"type": "string"} for name in names for kind in ("file", "cmd")
    }
    return options


def _open_variant(schema: dict[str, Any], block: Block) -> dict[str, Any]:
    """One list item of a plugin this machine does not know (``path.py:Class``)."""
    own = block.model.model_json_schema()
    schema["$defs"].update(own.pop("$defs", {}))
    properties = {key: value for key, value in own["properties"].items() if key not in _HIDDEN}
    required = [key for key in own.get("required", []) if key != "accounts"]
    return {"type": "object", "properties": properties, "required": required, "additionalProperties": True}
