"""``executor doctor``: everything that can be checked before trading, each with what to do about it."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from dataclasses import replace

from executor.app import compose
from executor.app import doctor_machine as machine
from executor.app import doctor_venue as venue
from executor.app.doctor_check import Check, failure, passed, warned
from executor.app.doctor_sources import sources
from executor.app.hiding import hide
from executor.app.identity import Trader, traders
from executor.config import Loaded
from executor.errors import ExecutorError

__all__ = ["Check", "checks"]

Tell = Callable[[str], None]

NOT_NEEDED = "not needed in dry-run: a throw-away key signs on the paper exchange"


async def checks(loaded: Loaded, tell: Tell = lambda what: None) -> list[Check]:
    """All checks in the order of a start; ``tell`` hears what is looked at. Places no order, writes no ledger."""
    hide(loaded)
    found = [*_config(loaded), *machine.secrets(loaded)]
    found += unbuilt(loaded, {check.name for check in found if check.level == "fail"})
    who, told = _who(loaded)
    found += told
    tell("locks")
    locks = machine.locks(loaded, who)
    if loaded.config.live:
        found += await venue.accounts(loaded, who, tell)
    else:
        tell("market data")
        data, meta = await venue.market(loaded)
        found += [data] if meta is None else [data, machine.paper_state(loaded, meta)]
    found += await sources(loaded, locks.level == "fail", tell)
    tell("this machine")
    return [*found, machine.ledger(loaded), locks, *machine.file_modes(loaded), *machine.ports(loaded)]


def _config(loaded: Loaded) -> Iterator[Check]:
    yield passed("config", f"{loaded.path} is valid, mode {loaded.config.mode}")
    for warning in loaded.warnings:
        yield warned("config", warning, "see `executor config show`")


def unbuilt(loaded: Loaded, told: Collection[str] = ()) -> Iterator[Check]:
    """What a start would make of plugins and addresses, where that fails, and not for a secret told before."""
    makes: dict[str, Callable[[], object]] = {
        "risk": lambda: compose.rules(loaded),
        "strategies": lambda: compose.strategies(loaded),
        "notify": lambda: compose.notifiers(loaded),
        "heartbeat": lambda: compose.heartbeat(loaded, str),
    }
    for name, make in makes.items():
        if any(told_name.startswith(f"secret {name}.") for told_name in told):
            continue
        try:
            make()
        except ExecutorError as error:
            yield failure(name, error)


def _who(loaded: Loaded) -> tuple[dict[str, Trader], list[Check]]:
    """Who trades, where that can be told without making a key."""
    if loaded.config.live:
        return venue.signers(loaded, lambda name: _trader(loaded, name))
    found = [passed(f"{what} {one.name}", NOT_NEEDED) for one in loaded.config.accounts for what in _LIVE_ONLY]
    try:
        return traders(loaded) if loaded.config.ledger.path.exists() else {}, found
    except ExecutorError as error:
        return {}, [*found, failure("throw-away key", error)]


_LIVE_ONLY = ("signer", "account")


def _trader(loaded: Loaded, name: str) -> Trader:
    """One account's trader, whatever is wrong with the others."""
    alone = tuple(account for account in loaded.config.accounts if account.name == name)
    return traders(replace(loaded, config=loaded.config.model_copy(update={"accounts": alone})))[name]
