"""The doctor's look at this machine: secrets, ledger, locks, file modes, ports. Nothing is made or changed."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Iterator, Mapping
from pathlib import Path

from executor.app.doctor_check import Check, failed, failure, passed, warned
from executor.app.hiding import references
from executor.app.identity import DRY_RUN_ENDPOINT, Trader
from executor.app.locking import hold, hold_files
from executor.config import Loaded, SecretRef
from executor.errors import ExecutorError, SecretError
from executor.hosts import is_loopback
from executor.ledger.reader import LedgerReader
from executor.ledger.stamp import Stamp
from executor.paper.model import Json
from executor.paper.state import usable

OTHERS = stat.S_IRWXG | stat.S_IRWXO


# -- secrets ----------------------------------------------------------------------------------------------------


def secrets(loaded: Loaded) -> Iterator[Check]:
    """Every reference of sources, notifiers, heartbeat and server; the accounts' keys come with their accounts."""
    for source in loaded.config.sources:
        for name, ref in source.secrets.items():
            yield _secret(loaded, f"secret {source.name}.{name}", ref, "not set; a channel that needs it says so below")
    for told in loaded.config.notify:
        for name, ref in told.secrets.items():
            yield _needed(loaded, f"secret notify.{name}", ref, f"notify {told.type} has no {name}")
    if loaded.config.heartbeat.url is not None:
        yield _needed(loaded, "secret heartbeat.url", loaded.config.heartbeat.url, "the heartbeat has no address")
    server = loaded.config.server
    if server.enabled and not is_loopback(server.host):
        wanted = f"the server listens on {server.host} and has no token"
        yield _needed(loaded, "secret server.token", server.token, wanted)
    elif server.enabled and server.token is not None:
        yield _secret(loaded, "secret server.token", server.token, "not set: commands over HTTP are off")


def _secret(loaded: Loaded, name: str, ref: SecretRef, if_unset: str) -> Check:
    try:
        found = loaded.secret_if_set(ref)
    except SecretError as error:
        return failure(name, error)
    return passed(name, f"{ref}: {'found' if found is not None else if_unset}")


def _needed(loaded: Loaded, name: str, ref: SecretRef | None, missing: str) -> Check:
    try:
        loaded.secret(ref)
    except ExecutorError as error:
        return failed(name, f"{missing}: {error.message}", error.remedy)
    return passed(name, f"{ref}: found")


# -- ledger and locks -------------------------------------------------------------------------------------------


def ledger(loaded: Loaded) -> Check:
    """Whether it can be written, and belongs to this mode, network and these addresses."""
    path = loaded.config.ledger.path
    if not path.exists():
        return _place_for(path, "ledger", "ledger.path")
    try:
        with LedgerReader(path) as reader:
            status = reader.status()
        written = status["ledger"]
        if written["mode"] is not None:
            addresses = {row["account"]: row["address"] for row in status["accounts"] if row["address"]}
            _stamp(loaded).joined(Stamp(written["mode"], written["network"], addresses))
    except ExecutorError as error:
        return failure("ledger", error)
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return failed("ledger", f"{path} may not be written", "check owner and modes of the file and its folder")
    return passed("ledger", f"{path} is of this mode and these accounts, {written['last_seq']} events")


def _place_for(path: Path, what: str, key: str) -> Check:
    folder = next(parent for parent in path.parents if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        return failed(what, f"{path} cannot be made in {folder}", f"name another place in {key}")
    return passed(what, f"{path} will be made with the first start")


def paper_state(loaded: Loaded, meta: Json) -> Check:
    """Whether the paper exchange of dry-run can go on from its memory, with the markets there are."""
    path = loaded.config.paper.state
    if not path.exists():
        return _place_for(path, "paper state", "paper.state")
    try:
        usable(path, meta)
    except ExecutorError as error:
        return failure("paper state", error)
    if not os.access(path, os.W_OK) or not os.access(path.parent, os.W_OK):
        return failed("paper state", f"{path} may not be written", "check owner and modes of the file and its folder")
    return passed("paper state", f"{path} can be gone on with")


def _stamp(loaded: Loaded) -> Stamp:
    config = loaded.config
    network = config.hyperliquid.network if config.live else DRY_RUN_ENDPOINT
    return Stamp(config.mode, network, {one.name: one.address for one in config.accounts if one.address})


def locks(loaded: Loaded, who: Mapping[str, Trader]) -> Check:
    """Whether another worker trades for an account or a signer; taken and given back at once."""
    if not who:
        return passed("locks", "nothing to hold yet")
    try:
        with hold(loaded, who), hold_files(loaded):
            return passed("locks", "no other worker trades for these accounts and signers, or writes to these files")
    except ExecutorError as error:
        return failure("locks", error)


# -- files ------------------------------------------------------------------------------------------------------


def file_modes(loaded: Loaded) -> Iterator[Check]:
    """Files with secrets, and the ledger, are their owner's alone."""
    for path in _private_files(loaded):
        name = f"file mode {path.name}"
        try:
            mode = stat.S_IMODE(path.stat().st_mode)
        except OSError:
            continue  # a secret that cannot be read is told where it is needed
        if not mode & OTHERS:
            yield passed(name, f"{path} is readable by its owner alone")
            continue
        judge = failed if loaded.config.live else warned
        yield judge(name, f"{path} can be read or written by others (mode {mode:04o})", f"chmod 600 {path}")


def _private_files(loaded: Loaded) -> list[Path]:
    files = [loaded.base / Path(ref.target).expanduser() for ref in references(loaded) if ref.kind == "file"]
    return [loaded.base / ".env", *files, loaded.config.ledger.path]


# -- ports ------------------------------------------------------------------------------------------------------


def ports(loaded: Loaded) -> Iterator[Check]:
    """Whether what is to be listened on is free."""
    server, paper = loaded.config.server, loaded.config.paper
    if server.enabled and server.port:
        yield _port("server.port", server.host, server.port)
    if not loaded.config.live and paper.port:
        yield _port("paper.port", "127.0.0.1", paper.port)


def _port(key: str, host: str, port: int) -> Check:
    name = f"port {port}"
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, kind, protocol) as tried:
            tried.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            tried.bind(address)
    except OSError as error:
        text = f"{host}:{port} cannot be listened on: {error.strerror or error}"
        return failed(name, text, f"end what uses it (a running worker?), or set another {key}")
    return passed(name, f"{host}:{port} is free")
