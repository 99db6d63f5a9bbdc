"""The way from a file, ``.env``, environment and ``--set`` to one checked configuration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import SecretStr

from executor.config import checks
from executor.config.document import Document, Mark, read
from executor.config.models import Config, Notify, Source
from executor.config.overlay import lay_over, read_dotenv
from executor.config.plugged import Plugins, attach, split
from executor.config.problems import Problem, Problems, as_error, dotted, validate
from executor.config.secret import SecretRef, read_secret
from executor.config.show import shown
from executor.errors import ConfigError


@dataclass(frozen=True)
class Loaded:
    """A configuration and where it came from.

    ``base`` is the folder that relative paths start at. ``provenance`` maps each written key, dotted with list
    items by name, to its origin (``config.yaml:12``, ``.env: NAME``, ``environment: NAME``, ``--set key``); what
    is not in it is a default. ``warnings`` are for ``doctor``, ``config validate`` and a worker's start.
    """

    path: Path
    base: Path
    config: Config
    provenance: Mapping[str, str]
    warnings: tuple[str, ...] = ()
    environ: Mapping[str, str] = field(default_factory=dict, repr=False)

    def show(self) -> dict[str, Any]:
        """The effective configuration as nested dictionaries, each leaf ``{"value", "from"}``, secrets masked."""
        return shown(self.config, self.provenance)

    def secret(self, ref: SecretRef | None) -> SecretStr:
        """The secret a reference points to; raises SecretError with the remedy."""
        if ref is None:
            raise ConfigError("a secret is needed and the configuration refers to none", "write the *_env key")
        return read_secret(ref, self.environ, self.base)

    def secrets(self, source: Source | Notify) -> dict[str, SecretStr]:
        """A plugin's secrets by name (``api_key`` for ``api_key_env``); variables that are not set are left out.

        The plugin itself says which it needs. Raises SecretError for a file or command that fails.
        """
        found = {name: self.secret_if_set(ref) for name, ref in source.secrets.items()}
        return {name: secret for name, secret in found.items() if secret is not None}

    def secret_if_set(self, ref: SecretRef | None) -> SecretStr | None:
        """The secret, or ``None`` without a reference and for a variable that is not set."""
        if ref is None or (ref.kind == "env" and not self.environ.get(ref.target, "").strip()):
            return None
        return self.secret(ref)


def load(path: Path, overrides: Iterable[str], environ: Mapping[str, str], plugins: Plugins) -> Loaded:
    """Reads a configuration file and everything laid over it; raises ConfigError with all that is wrong.

    ``overrides`` are the texts of ``--set``; ``plugins`` is the module ``executor.plugins``.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise ConfigError(
            f"{path}: there is no such file", "write one with `executor init`, or name it with --config"
        ) from None
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise ConfigError(f"{path}: cannot be read: {reason}", "look at the file and its permissions") from None
    return load_text(text, path, overrides, environ, plugins)


def load_text(text: str, path: Path, overrides: Iterable[str], environ: Mapping[str, str], plugins: Plugins) -> Loaded:
    """The same for text that would stand in a file at ``path``, which need not exist."""
    base = path.absolute().parent
    dotenv = read_dotenv(base)
    document = read(text, path.name)
    _complete_top(document, path.name)
    lay_over(document, dotenv, environ, overrides)
    provenance = {dotted(document, at): mark.origin for at, mark in document.marks.items() if at}
    _complete(document)
    try:
        config = validate(Config, document, split(document.value))
        config, warnings = attach(config, document, base, plugins)
        if found := list(checks.problems(config, document, {**dotenv, **environ})):
            raise Problems(found)
    except Problems as problems:
        raise as_error(document, path.name, problems.found) from None
    warnings += tuple(checks.warnings(config))
    return Loaded(path, base, _absolute(config, base), provenance, warnings, {**dotenv, **environ})


def _complete_top(document: Document, origin: str) -> None:
    """An empty file is an empty mapping; anything else than a mapping is a mistake."""
    if document.value is None:
        document.value = {}
        document.marks[()] = Mark(origin)
    if not isinstance(document.value, dict):
        raise as_error(document, origin, [Problem((), "must be keys and values, starting with 'version: 1'")])


def _complete(document: Document) -> None:
    """Fills in what has one possible meaning: an only account, and routes where there is an only account.

    A block whose key is written with nothing below it is the block of defaults.
    """
    value = document.value
    for key in [key for key, block in value.items() if block is None and key in Config.model_fields]:
        del value[key]
    for route in _mappings(value.get("routes")):
        if route.get("with", ()) is None:
            del route["with"]
    accounts = _names(document, "accounts") if "accounts" in value else ["main"]
    if len(accounts) != 1:
        return
    if "routes" not in value and (sources := _names(document, "sources")):
        value["routes"] = [{"source": source} for source in sources]
    for route in _mappings(value.get("routes")):
        route.setdefault("accounts", list(accounts))


def _names(document: Document, block: str) -> list[str]:
    """The names of a list's items as written; none where one has none: that is told, and nothing is made of it."""
    names = [item.get("name") for item in _mappings(document.value.get(block))]
    marks = [document.marks.get((block, index, "name")) for index in range(len(names))]
    written = [mark.text for name, mark in zip(names, marks, strict=True) if name is not None and mark and mark.text]
    return written if len(written) == len(names) else []


def _mappings(items: Any) -> list[dict[str, Any]]:
    return [item for item in items if isinstance(item, dict)] if isinstance(items, list) else []


def _absolute(config: Config, base: Path) -> Config:
    """Paths from the config's folder, with the mode in the ledger's."""
    ledger = Path(str(config.ledger.path).replace("{mode}", config.mode))
    paper = {"state": base / config.paper.state.expanduser()}
    if config.paper.tape is not None:
        paper["tape"] = base / config.paper.tape.expanduser()
    return config.model_copy(
        update={
            "ledger": config.ledger.model_copy(update={"path": base / ledger.expanduser()}),
            "paper": config.paper.model_copy(update=paper),
        }
    )
