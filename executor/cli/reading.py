"""The commands that read the ledger: they work whether or not a worker runs, and load nothing that could trade."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from executor.cli.guard import usage
from executor.cli.options import (
    CONFIG,
    LIMIT,
    MOST,
    Account,
    ConfigFile,
    Json,
    Limit,
    Overrides,
    commanded,
    known_account,
)
from executor.cli.output import out, print_json, print_line, show

if TYPE_CHECKING:
    from executor.config import Loaded
    from executor.ledger.reader import LedgerReader

Document = dict[str, Any]
Ask = Callable[["LedgerReader"], Document]


def status(
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,
    json_out: Json = False,
    limit: Limit = LIMIT,
    account: Account = None,
) -> None:
    """How the worker, its channels and its accounts stand."""
    settings = commanded(config, overrides)
    with _reader(settings, account) as reader:
        document = reader.status()
    if document.get("worker") is not None:
        from executor.app.control_socket import beside, standing

        said = standing(beside(settings.config.ledger.path))
        told = {name: (said or {}).get(name) for name in ("ledger_failed", "budgets")}
        document["worker"] |= {"running": said is not None, **told}
    document["accounts"] = [row for row in document["accounts"] if account in (None, row["account"])][:limit]
    _show("status", document, json_out)


def actions(
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,
    json_out: Json = False,
    limit: Limit = LIMIT,
    account: Account = None,
) -> None:
    """What came in and what became of it, one row per action and account, newest first."""
    _list("actions", config, overrides, json_out, account, lambda reader: reader.actions(limit, account))


def orders(
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,
    json_out: Json = False,
    limit: Limit = LIMIT,
    account: Account = None,
) -> None:
    """Every order that was planned, newest first: entries, exits, stops, targets."""
    _list("orders", config, overrides, json_out, account, lambda reader: reader.orders(limit, account))


def positions(
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,
    json_out: Json = False,
    limit: Limit = LIMIT,
    account: Account = None,
) -> None:
    """Open positions, with who holds them, stop, target and PnL."""
    _list("positions", config, overrides, json_out, account, lambda reader: _first(reader.positions(account), limit))


def agents(
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,
    json_out: Json = False,
    limit: Limit = LIMIT,
    account: Account = None,
) -> None:
    """What each agent and strategy holds and brought, by account and coin: PnL, fees, funding."""
    _list("agents", config, overrides, json_out, account, lambda reader: _first(reader.agents(account), limit))


def mirror(
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,
    json_out: Json = False,
    limit: Limit = LIMIT,
    source: Annotated[str | None, typer.Option("--source", help="This source alone.")] = None,
) -> None:
    """Positions as another system reports them (Nexgent), with value and profit by its own maths."""
    from executor.app.mirror import MirrorReader, mirrored
    from executor.errors import ConfigError

    settings = commanded(config, overrides)
    mirrors = mirrored(settings)
    if source is not None and source not in mirrors:
        names = ", ".join(mirrors) or "none is configured"
        raise ConfigError(f"no source called '{source}' mirrors positions", f"those that do: {names}")
    document: Document | None = None
    if settings.config.ledger.path.exists() or not json_out:
        with MirrorReader(settings.config.ledger.path, mirrors) as reader:
            document = reader.mirror(source)
    _show("mirror", {"positions": (document or {"positions": []})["positions"][:limit]}, json_out)


def journal(
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,
    json_out: Json = False,
    limit: Limit = LIMIT,
    account: Account = None,
    kind: Annotated[str | None, typer.Option("--kind", help="This kind of event alone, e.g. FillSeen.")] = None,
) -> None:
    """Every recorded event, newest first."""
    if kind is not None:
        _known_kind(kind)
    _list("journal", config, overrides, json_out, account, lambda reader: reader.journal(limit, account, kind))


def _known_kind(kind: str) -> None:
    from executor.config.overlay import did_you_mean
    from executor.core.events import KINDS

    if kind not in KINDS:
        raise usage(f"there is no kind of event '{kind}'", did_you_mean(kind, KINDS))


def explain(
    action_id: Annotated[
        str, typer.Argument(help="An id that `actions` shows, or how it begins; or the cloid of an order.")
    ],
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,
    json_out: Json = False,
) -> None:
    """Every step of one action: what came, what was decided and why, what was sent and answered."""
    with _reader(commanded(config, overrides)) as reader:
        document = reader.explain(action_id) or reader.explain(begun(reader, action_id))
    if document is None:
        raise _unheard_of(action_id)
    if json_out:
        print_json(document)
        return
    from executor.cli.story import tell

    tell(document, out())


def _unheard_of(action_id: str) -> Exception:
    from executor.errors import ExecutorError

    return ExecutorError(f"no action is called '{action_id}' here", "`executor actions` lists those there are")


def begun(reader: LedgerReader, beginning: str) -> str:
    """The one action whose id begins so, among the newest thousand; raises ``ExecutorError``."""
    from executor.errors import ExecutorError

    rows = reader.actions(limit=1000)["actions"]
    ids = sorted({row["action_id"] for row in rows if beginning and row["action_id"].startswith(beginning)})
    if not ids:
        raise _unheard_of(beginning)
    if len(ids) > 1:
        raise ExecutorError(f"{len(ids)} actions begin with '{beginning}'", f"say more of one: {', '.join(ids[:5])}")
    return str(ids[0])


def export_frames(
    config: ConfigFile = CONFIG,
    overrides: Overrides = None,
    after: Annotated[int, typer.Option("--after", min=0, max=MOST, metavar="N", help="Frames after this one.")] = 0,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", dir_okay=False, help="A file instead of stdout.")
    ] = None,
) -> None:
    """The recorded raw frames as JSON lines, as `replay` reads them."""
    with _reader(commanded(config, overrides)) as reader:
        frames = reader.frames(after)
        if output is None:
            for frame in frames:
                print_line(frame)
        else:
            _write_frames(output, frames)


def _write_frames(path: Path, frames: Iterator[Document]) -> None:
    import json

    from executor.errors import ExecutorError

    try:
        with path.open("w", encoding="ascii") as file:
            file.writelines(json.dumps(frame) + "\n" for frame in frames)
    except OSError as error:
        raise ExecutorError(f"{path}: cannot be written: {error.strerror}", "name another file") from None


@contextmanager
def _reader(settings: Loaded, account: str | None = None) -> Iterator[LedgerReader]:
    from executor.ledger.reader import LedgerReader

    with LedgerReader(settings.config.ledger.path) as reader:
        if account is not None:
            known_account(account, settings, [row["account"] for row in reader.status()["accounts"]])
        yield reader


def _first(document: Document, limit: int) -> Document:
    """So many rows of a list that comes whole."""
    return {name: rows[:limit] for name, rows in document.items()}


def _list(name: str, config: Path, overrides: list[str] | None, json_out: bool, account: str | None, ask: Ask) -> None:
    """One list. To a program a ledger that was never begun is an empty one; a person is told how to begin it."""
    settings = commanded(config, overrides)
    if json_out and not settings.config.ledger.path.exists():
        known_account(account, settings)
        print_json({name: []})
        return
    with _reader(settings, account) as reader:
        document = ask(reader)
    _show(name, document, json_out)


def _show(name: str, document: Document, json_out: bool) -> None:
    if json_out:
        print_json(document)
        return
    from executor.cli import tables

    show(*tables.SHOWN[name](document))
