"""What the mirror wants of each state of a Nexgent position."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from executor.api import Agent, Origin, Quote, Remember, SourcePosition, StrategyView, TargetPosition
from strategies.nexgent_mirror import NexgentMirror, Perp, Unmapped, stop_px

D = Decimal
MINT = "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263"
ORIGIN = Origin("nexgent", "nex", "agent:a1", 1)
KBONK = Perp(coin="kBONK", units=D(1000))
QUOTE = Quote(bid=D("0.0199"), ask=D("0.0201"), mark=D("0.02"), at_ms=1)


def position(size: object = 1_000_000, position_id: str = "p1", **fields: Any) -> SourcePosition:
    usual = {
        "symbol": "BONK",
        "token": MINT,
        "bought": D(1_000_000),
        "entry_px": D("1e-7"),
        "mark_px": None,
        "stop_pct": None,
        "quote": "SOL",
        "agent": Agent("nexgent", "a1"),
    }
    return SourcePosition(origin=ORIGIN, position_id=position_id, size=D(str(size)), **{**usual, **fields})


class Copier:
    """The strategy with the memory it asked for, as the worker keeps it."""

    def __init__(self, quote: Quote | None = QUOTE, **options: Any) -> None:
        usual = {"symbols": {"BONK": "kBONK"}}
        if not {"multiplier", "notional_usd", "equity_pct"} & options.keys():
            usual["multiplier"] = 1  # type: ignore[assignment]  # options are read by their model
        self.strategy = NexgentMirror(NexgentMirror.Options(**{**usual, **options}))
        self.memory: dict[str, Any] = {}
        self.quotes = {} if quote is None else {"kBONK": quote}

    def see(self, fact: SourcePosition) -> TargetPosition:
        view = StrategyView(
            now_ms=1, account="main", coin="", book_before=D(0), book_after=D(0), our_size=D(0), equity_usd=D(1),
            quote=None, memory=self.memory, quotes=self.quotes,
        )  # fmt: skip
        target, kept = self.strategy.on_position(fact, view)
        assert isinstance(kept, Remember)
        self.memory = kept.memory
        assert isinstance(target, TargetPosition)
        return target


def test_a_thousand_bonk_are_one_kbonk() -> None:
    target = Copier(multiplier="0.5").see(position())
    assert (target.coin, target.size, target.notional_usd, target.equity_pct) == ("kBONK", 500, None, None)


@pytest.mark.parametrize("option", ["notional_usd", "equity_pct"])
def test_dollars_and_percent_size_the_first_purchase_and_all_else_in_proportion(option: str) -> None:
    copier = Copier(**{option: 100}, leverage=2)
    assert getattr(copier.see(position()), option) == 100
    assert getattr(copier.see(position(1_500_000, bought=D(1_500_000))), option) == 150  # DCA
    shrunk = copier.see(position(600_000, bought=D(1_500_000)))  # partial take-profit
    assert (getattr(shrunk, option), shrunk.size, shrunk.leverage) == (60, 600, 2)


def test_closed_means_closed_and_forgotten() -> None:
    copier = Copier()
    copier.see(position())
    assert copier.see(position(0)).size == 0
    assert copier.memory == {"positions": {}}


def test_positions_of_one_coin_add_up_per_agent() -> None:
    copier = Copier()
    copier.see(position())
    assert copier.see(position(position_id="p2")).size == 2000
    assert copier.see(position(position_id="p3", agent=Agent("nexgent", "other"))).size == 1000
    assert copier.see(position(0)).size == 1000


def test_tokens_that_share_a_coin_count_each_by_its_own_units() -> None:
    copier = Copier(symbols={"mSOL": {"coin": "SOL", "units": "0.8"}, "JitoSOL": {"coin": "SOL", "units": "0.5"}})
    assert copier.see(position(4, symbol="mSOL")).size == 5
    assert copier.see(position(4, position_id="p2", symbol="JitoSOL")).size == 13
    assert copier.see(position(0, symbol="mSOL")).size == 8


def test_the_same_state_again_wants_and_remembers_the_same() -> None:
    copier = Copier()
    first, memory = copier.see(position(stop_pct=D(-20))), copier.memory
    copier.quotes = {"kBONK": Quote(bid=None, ask=None, mark=D(9), at_ms=2)}
    assert copier.see(position(stop_pct=D(-20))) == first
    assert copier.memory == memory


def test_a_token_is_found_by_its_exact_address_before_its_symbol_in_any_case() -> None:
    copier = Copier(symbols={MINT: {"coin": "kBONK", "units": 1000}, "bonk": "SCAM"})
    assert copier.see(position()).coin == "kBONK"
    assert copier.see(position(token=MINT.lower())).coin == "SCAM"


def test_an_unmapped_token_is_refused_with_a_reason_and_its_close_needs_nothing() -> None:
    strategy = Copier().strategy
    view: Any = type("View", (), {"memory": {}})()
    with pytest.raises(Unmapped, match=f"WIF .{MINT}."):
        strategy.on_position(position(symbol="WIF"), view)
    assert strategy.on_position(position(0, symbol="WIF"), view) == ()


@pytest.mark.parametrize(
    ("pct", "mark", "expected"),
    [
        (-32, None, "0.0136"),  # below the entry
        (0, None, "0.02"),  # at it
        (-20, "1.6e-7", "0.01"),  # the price went up by 60 %: the stop is half of it away
        (25, "2e-7", "0.0125"),  # a locked gain: 1.25 of the entry, at twice the entry
        (25, "1.094e-7", "0.013711"),  # seed 002's example: a gain not reached is a loss's distance
        (-120, None, None),
        (None, None, None),
    ],
)
def test_the_stop_is_as_far_from_the_perps_price_as_the_agents_from_the_tokens(
    pct: int | None, mark: str | None, expected: str | None
) -> None:
    fact = position(stop_pct=None if pct is None else D(pct), mark_px=None if mark is None else D(mark))
    assert stop_px(fact, KBONK, QUOTE) == (None if expected is None else D(expected))


def test_without_the_perps_price_the_tokens_own_dollars_do_and_without_those_there_is_no_stop_yet() -> None:
    fact = position(stop_pct=D(-50), mark_px=D("1e-7"), quote_usd=D(100))
    assert stop_px(fact, KBONK, None) == D("0.005")
    assert stop_px(fact, KBONK, Quote(bid=D("0.01"), ask=D("0.03"), mark=None, at_ms=1)) == D("0.01")
    assert stop_px(position(stop_pct=D(-50)), KBONK, None) is None


def test_a_stop_moves_when_the_agents_does_and_can_be_left_alone() -> None:
    copier = Copier()
    assert copier.see(position(stop_pct=D(-20))).stop_px == D("0.016")
    assert copier.see(position(stop_pct=D(-10))).stop_px == D("0.018")
    assert Copier(follow_stop=False).see(position(stop_pct=D(-10))).stop_px is None


def test_a_stop_that_had_no_price_yet_comes_with_the_first() -> None:
    copier = Copier(quote=None)
    assert copier.see(position(stop_pct=D(-20))).stop_px is None
    copier.quotes = {"kBONK": QUOTE}
    assert copier.see(position(stop_pct=D(-20))).stop_px == D("0.016")


def test_of_several_positions_the_last_stop_to_be_met_stands() -> None:
    copier = Copier()
    copier.see(position(stop_pct=D(-10)))
    assert copier.see(position(position_id="p2", stop_pct=D(-20))).stop_px == D("0.016")
    assert copier.see(position(position_id="p3")).stop_px is None


@pytest.mark.parametrize(("name", "units"), [("kBONK", 1000), ("WIF", 1), ("kaspa", 1)])
def test_a_k_before_a_capital_counts_in_thousands(name: str, units: int) -> None:
    assert Perp.model_validate(name).units == units


@pytest.mark.parametrize(
    "options",
    [
        {"symbols": {"BONK": "kBONK"}},
        {"symbols": {"BONK": "kBONK"}, "multiplier": 1, "notional_usd": 1},
        {"symbols": {}, "multiplier": 1},
        {"symbols": {"BONK": {"coin": "kBONK", "units": 0}}, "multiplier": 1},
        {"symbols": {"BONK": {"coin": "kBONK", "units": "many"}}, "multiplier": 1},
        {"symbols": {"BONK": {"coin": "kBONK"}}, "multiplier": 1},
        {"symbols": {"BONK": 7}, "multiplier": 1},
        {"multiplier": 1},
    ],
)
def test_options_that_cannot_work_are_errors(options: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        NexgentMirror.Options(**options)
