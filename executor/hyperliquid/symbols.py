"""Maps the symbol a signal names to the venue's coin, or says why it cannot be sure: unsure is refused, not guessed."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from executor.hyperliquid.meta import Universe

MAX_SYMBOL_LENGTH = 40
"""Longer text is no symbol; it also bounds what the memo below can hold."""


class SymbolReason(StrEnum):
    """Why a symbol was refused."""

    UNKNOWN = "UNKNOWN_SYMBOL"
    AMBIGUOUS = "AMBIGUOUS_SYMBOL"
    DELISTED = "DELISTED_SYMBOL"


@dataclass(frozen=True, slots=True)
class SymbolProblem:
    """A refusal: the stable reason code and what to tell people."""

    reason: SymbolReason
    detail: str


# What other systems append to a coin: a dollar quote, a settlement (ccxt's ``:USDC``), a word for "perpetual".
_SUFFIX = re.compile(r"(?:[-/_]?(?:USDC|USDT|USD)(?::(?:USDC|USDT|USD))?)?(?:[-/_]?(?:PERP|SWAP))?\Z", re.IGNORECASE)
_MULTIPLE = re.compile(r"(?:1000(?:000)?|1[Mm])(?=[A-Za-z])")


@lru_cache(maxsize=2048)
def resolve(text: str, universe: Universe) -> str | SymbolProblem:
    """The venue's coin for ``BTC``, ``btc``, ``BTC-PERP``, ``BTC/USDC``, ``BTCUSDT`` or ``KPEPE``.

    The venue's exact spelling wins; otherwise exactly one listed coin must match without regard to case. A name whose
    size unit differs from the listed one (``PEPE`` where only ``kPEPE`` = 1000 PEPE is listed) is AMBIGUOUS_SYMBOL.
    """
    if not 0 < len(text) <= MAX_SYMBOL_LENGTH or not text.isascii():  # a long s or a Kelvin sign folds to s and k
        return SymbolProblem(SymbolReason.UNKNOWN, f"{text[:MAX_SYMBOL_LENGTH]!r} is no symbol")
    matches = _matches(text, universe)
    if len(matches) > 1:
        return SymbolProblem(SymbolReason.AMBIGUOUS, f"{text!r} could be any of {', '.join(sorted(matches))}")
    if not matches:
        return _unlisted(text, universe)
    coin = matches.pop()
    asset = universe.asset(coin)
    if asset is not None and asset.delisted:
        return SymbolProblem(SymbolReason.DELISTED, f"{coin} is delisted")
    return coin


def _matches(text: str, universe: Universe) -> set[str]:
    """Listed coins the text can mean: itself exactly, or the union of its readings, each exact before folded."""
    if universe.asset(text):
        return {text}
    readings = {text, _base(text)}
    return set().union(*(_named(reading, universe) for reading in readings))


def _named(name: str, universe: Universe) -> set[str]:
    if universe.asset(name):
        return {name}
    folded = name.casefold()
    return {coin for coin in universe.coins if coin.casefold() == folded}


def _base(text: str) -> str:
    return text[: _SUFFIX.search(text).start()]  # type: ignore[union-attr]  # the pattern matches the empty end


def _unlisted(text: str, universe: Universe) -> SymbolProblem:
    base = _base(text)
    if ":" in base:
        return SymbolProblem(SymbolReason.UNKNOWN, f"{text!r}: markets of builder-deployed exchanges are not supported")
    relatives = {coin for coin in universe.coins if _unit_name(coin) == _unit_name(base)}
    if relatives:
        names = ", ".join(sorted(relatives))
        return SymbolProblem(SymbolReason.AMBIGUOUS, f"{text!r} has another size unit than the listed {names}")
    return SymbolProblem(SymbolReason.UNKNOWN, f"{text!r} is not listed")


def _unit_name(name: str) -> str:
    """A coin's name without the multiple in front: kPEPE, 1000PEPE and PEPE are one thing in three units."""
    bare = _MULTIPLE.sub("", name, count=1) if _MULTIPLE.match(name) else name
    return (bare[1:] if bare[:1] == "k" and len(bare) > 2 else bare).casefold()
