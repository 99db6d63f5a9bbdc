"""What the kit shows a plugin: an ordinary moment, and the odd ones that a market, a sender or a server can make."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from typing import Any

from executor.api import (
    Agent,
    AgentNotice,
    Candle,
    Fact,
    OrderUpdate,
    Origin,
    Quote,
    SetStop,
    SetTarget,
    Side,
    SourcePortfolio,
    SourcePosition,
    SourceTrade,
    StrategyView,
    Ticker,
    TimerFired,
    Trade,
    VenueFill,
)
from executor.core.facts import Fill

D = Decimal
NOW_MS = 1_800_000_000_000
COIN, SYMBOL = "BTC", "BTC/USDT"
HUGE, TINY = D("1e15"), D("1e-15")
HOSTILE_TEXT = "\x1b[2J' OR 1=1 -- " + "x" * 500

WHERE = Origin("kit", "kit", "kit", NOW_MS)
AGENT = Agent("kit", "agent")


def resolve(symbol: str) -> tuple[str | None, str]:
    """A venue that lists BTC and ETH."""
    coin = symbol.upper().removesuffix("USDT").rstrip("/-")
    return (coin, "") if coin in (COIN, "ETH") else (None, "UNKNOWN_SYMBOL")


def quote(px: Decimal) -> Quote:
    """A narrow market."""
    return Quote(px * D("0.999"), px * D("1.001"), px, NOW_MS)


def view(**more: Any) -> StrategyView:
    """An ordinary moment: 1000 USD, a price, nothing held."""
    usual: dict[str, Any] = {
        "now_ms": NOW_MS,
        "account": "main",
        "coin": COIN,
        "book_before": D(0),
        "book_after": D(2),
        "our_size": D(0),
        "equity_usd": D(1000),
        "quote": quote(D(100)),
        "quotes": {COIN: quote(D(100))},
        "resolve": resolve,
    }
    return StrategyView(**(usual | more))


def odd_views() -> Iterator[StrategyView]:
    """Moments in which something a strategy may want is not there."""
    yield view(quote=None, quotes={})
    yield view(quote=Quote(None, None, None, NOW_MS))
    yield view(equity_usd=D(0))
    yield view(equity_usd=D(-5))
    yield view(coin="", quote=None)
    yield view(our_size=HUGE, book_before=HUGE, book_after=D(0), books={COIN: HUGE}, positions={COIN: HUGE})
    yield view(memory={"something": ["else", None, 1]})


def action(kind: type[Any], **more: Any) -> Any:
    """A buy of 2 BTC, or what protects it."""
    fields: dict[str, Any] = {
        "origin": WHERE,
        "agent": AGENT,
        "key": "0" * 32,
        "fingerprint": "f",
        "shape": "flat",
        "symbol": SYMBOL,
        "side": Side.BUY,
        "size": D(2),
        "reduce_only": False,
        "sender_id": "kit-1",
        "leverage": D(3),
        "stamped_at_ms": NOW_MS,
    }
    return kind(**(fields | more))


def actions() -> Iterator[Any]:
    """One of each, as a sender would send them."""
    yield action(Trade)
    yield action(Trade, side=Side.SELL, leverage=None)
    yield action(SetStop, side=Side.SELL, trigger_px=D(90), reduce_only=True)
    yield action(SetTarget, side=Side.SELL, trigger_px=D(110), reduce_only=True)


def odd_actions() -> Iterator[Any]:
    """What decodes and is strange all the same."""
    yield action(Trade, size=HUGE)
    yield action(Trade, size=TINY)
    yield action(Trade, symbol=HOSTILE_TEXT[:40], leverage=HUGE)
    yield action(SetStop, trigger_px=None, reduce_only=True)
    yield action(SetTarget, trigger_px=HUGE, reduce_only=True)


def facts() -> Iterator[Fact]:
    """One of each kind, twice where there is an opening and a closing one."""
    trade = SourceTrade(
        origin=WHERE, agent=AGENT, symbol=SYMBOL, side=Side.BUY, size=D(2), quote_size=D(200), px=D(100), ref="1",
        at_ms=NOW_MS,
    )  # fmt: skip
    yield trade
    yield replace(trade, side=Side.SELL, ref="2", reduce_only=True)
    position = SourcePosition(
        origin=WHERE, agent=AGENT, position_id="1", symbol=SYMBOL, size=D(2), entry_px=D(100), mark_px=D(101),
        revision="1", stop_pct=D(-10), quote_usd=D(1),
    )  # fmt: skip
    yield position
    yield replace(position, size=D(0), revision="2")
    yield Ticker(origin=WHERE, symbol=SYMBOL, px=D(100), at_ms=NOW_MS)
    yield Candle(
        origin=WHERE, symbol=SYMBOL, interval="1m", open_at_ms=NOW_MS - 60_000, open_px=D(99), high_px=D(102),
        low_px=D(98), close_px=D(101), volume=D(7), closed=True,
    )  # fmt: skip
    yield AgentNotice(origin=WHERE, agent=AGENT, kind="risk_veto", rule="max_drawdown", at_ms=NOW_MS)
    yield SourcePortfolio(origin=WHERE, agent=AGENT, equity_usd=D(1000), at_ms=NOW_MS)
    fill = Fill(1, 2, None, COIN, Side.BUY, D(100), D(1), D("0.1"), D(0), D(0), NOW_MS)
    yield VenueFill(account="main", fill=fill, agent=AGENT, action_key="0" * 32)
    yield OrderUpdate(
        account="main", coin=COIN, cloid="0x1", leg="entry", state="filled", action_key=None, at_ms=NOW_MS
    )
    yield TimerFired(every_ms=60_000, at_ms=NOW_MS)


def odd_facts() -> Iterator[Fact]:
    """The same with everything missing that may be, or beyond all measure."""
    for fact in facts():
        if isinstance(fact, SourceTrade):
            yield replace(fact, size=None, quote_size=None, px=None, ref=None, at_ms=None)
            yield replace(fact, size=HUGE, px=TINY, symbol=HOSTILE_TEXT[:40])
        elif isinstance(fact, SourcePosition):
            yield replace(fact, entry_px=None, mark_px=None, stop_pct=None, quote_usd=None, revision="")
            yield replace(fact, size=-HUGE, entry_px=TINY, symbol="NOSUCHCOIN")
        elif isinstance(fact, Ticker):
            yield replace(fact, px=HUGE, at_ms=None, symbol="NOSUCHCOIN")
        elif isinstance(fact, AgentNotice):
            yield replace(fact, kind=HOSTILE_TEXT[:40], rule=None, at_ms=None, symbol="NOSUCHCOIN")
