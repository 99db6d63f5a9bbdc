"""symbols.py: what a signal may call a coin; whatever is not sure is refused with a reason."""

from __future__ import annotations

import pytest

from executor.hyperliquid.meta import Universe, parse_meta
from executor.hyperliquid.symbols import SymbolProblem, SymbolReason, resolve

NAMES = ["BTC", "ETH", "kPEPE", "kSHIB", "SHIB", "MATIC", "S", "SUSD", "Ai", "AI", "JUP", "PERP", "kAS", "UsD", "PURR"]


def _universe() -> Universe:
    rows = [{"name": name, "szDecimals": 0, "maxLeverage": 5} for name in NAMES]
    rows[NAMES.index("MATIC")]["isDelisted"] = True
    return parse_meta({"universe": rows})


UNIVERSE = _universe()


@pytest.mark.parametrize(
    ("text", "coin"),
    [
        ("BTC", "BTC"),
        ("btc", "BTC"),
        ("BTC-PERP", "BTC"),
        ("btc-perp", "BTC"),
        ("BTCPERP", "BTC"),
        ("BTC_PERP", "BTC"),
        ("BTC/USDC", "BTC"),
        ("BTC/USD", "BTC"),
        ("BTC/USDT", "BTC"),
        ("BTC-USDT", "BTC"),
        ("BTC-USD", "BTC"),
        ("BTC_USDT", "BTC"),
        ("BTCUSDT", "BTC"),
        ("btcusdt", "BTC"),
        ("BTCUSDC", "BTC"),
        ("BTCUSD", "BTC"),
        ("BTC-USD-PERP", "BTC"),
        ("BTC-USDT-SWAP", "BTC"),
        ("BTC/USDC:USDC", "BTC"),
        ("kPEPE", "kPEPE"),
        ("KPEPE", "kPEPE"),
        ("kpepe-perp", "kPEPE"),
        ("KPEPEUSDT", "kPEPE"),
        ("kSHIB", "kSHIB"),
        ("SHIB", "SHIB"),
        ("SUSD", "SUSD"),
        ("AI", "AI"),
        ("Ai", "Ai"),
        ("AI-PERP", "AI"),
        ("PERP", "PERP"),
        ("PERP-PERP", "PERP"),
        ("UsD", "UsD"),
        ("KAS", "kAS"),
        ("PURR/USDC", "PURR"),
    ],
)
def test_the_ways_to_name_a_listed_coin(text: str, coin: str) -> None:
    assert resolve(text, UNIVERSE) == coin


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", SymbolReason.UNKNOWN),
        ("DOGE", SymbolReason.UNKNOWN),
        ("ETH/BTC", SymbolReason.UNKNOWN),
        ("ETH-BTC", SymbolReason.UNKNOWN),
        ("ETHEUR", SymbolReason.UNKNOWN),
        ("BTC-27DEC24", SymbolReason.UNKNOWN),
        ("@107", SymbolReason.UNKNOWN),
        ("USDT", SymbolReason.UNKNOWN),
        ("-PERP", SymbolReason.UNKNOWN),
        ("BTC PERP", SymbolReason.UNKNOWN),
        (" BTC", SymbolReason.UNKNOWN),
        ("BTC\n", SymbolReason.UNKNOWN),
        ("xyz:GOLD", SymbolReason.UNKNOWN),
        ("xyz:BTC", SymbolReason.UNKNOWN),
        ("B" * 41, SymbolReason.UNKNOWN),
        ("\u017fHIB", SymbolReason.UNKNOWN),
        ("\u212aPEPE", SymbolReason.UNKNOWN),
        ("BTCU\u017fD", SymbolReason.UNKNOWN),
        ("PEPE", SymbolReason.AMBIGUOUS),
        ("pepe-perp", SymbolReason.AMBIGUOUS),
        ("PEPEUSDT", SymbolReason.AMBIGUOUS),
        ("1000PEPE", SymbolReason.AMBIGUOUS),
        ("1000PEPEUSDT", SymbolReason.AMBIGUOUS),
        ("1000000PEPE", SymbolReason.AMBIGUOUS),
        ("1000SHIB", SymbolReason.AMBIGUOUS),
        ("kBTC", SymbolReason.AMBIGUOUS),
        ("1MPEPE", SymbolReason.AMBIGUOUS),
        ("ai", SymbolReason.AMBIGUOUS),
        ("susd", SymbolReason.AMBIGUOUS),
        ("MATIC", SymbolReason.DELISTED),
        ("matic-perp", SymbolReason.DELISTED),
    ],
)
def test_what_is_not_sure_is_refused_with_its_reason(text: str, reason: SymbolReason) -> None:
    problem = resolve(text, UNIVERSE)
    assert isinstance(problem, SymbolProblem)
    assert problem.reason is reason
    assert problem.detail


def test_a_refusal_names_what_it_could_have_been() -> None:
    assert resolve("PEPE", UNIVERSE) == SymbolProblem(
        SymbolReason.AMBIGUOUS, "'PEPE' has another size unit than the listed kPEPE"
    )
    assert "Ai" in getattr(resolve("ai", UNIVERSE), "detail", "")
    assert "builder-deployed" in getattr(resolve("xyz:GOLD", UNIVERSE), "detail", "")


def test_another_universe_gives_another_answer() -> None:
    later = parse_meta({"universe": [{"name": "DOGE", "szDecimals": 0, "maxLeverage": 5}]})
    assert resolve("DOGE", later) == "DOGE"
    assert isinstance(resolve("DOGE", UNIVERSE), SymbolProblem)
    assert isinstance(resolve("BTC", later), SymbolProblem)
