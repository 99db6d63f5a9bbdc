"""The bundled tape: small, repeatable, on the venue's grids, with a gap in SOL that fires a stop."""

from __future__ import annotations

import gzip
import re
from decimal import Decimal

import pytest

from executor.config import config_template
from executor.errors import ConfigError
from executor.hyperliquid.meta import parse_meta
from executor.hyperliquid.quantise import is_valid_px, is_valid_size
from executor.paper.tape import BUNDLED, Tape, TapePlayer, configured_tape, read_tape, tick_of

D = Decimal


@pytest.fixture(scope="module")
def tape() -> Tape:
    return read_tape(BUNDLED)


def test_it_is_small_and_lasts_several_minutes(tape):
    assert BUNDLED.stat().st_size < 300_000
    assert tape.length_ms >= 300_000


def test_the_universe_is_realistic(tape):
    universe = parse_meta(tape.meta)
    assert {c: universe.asset(c).asset_id for c in ("BTC", "ETH", "SOL")} == {"BTC": 0, "ETH": 1, "SOL": 5}
    assert universe.asset("kPEPE").sz_decimals == 0
    assert [a.coin for a in universe.assets if a.delisted] == ["MATIC"]
    assert [a.coin for a in universe.assets if a.isolated_only] == ["VINE"]
    assert all(universe.tiers(a.coin) for a in universe.assets)


def test_the_coins_that_init_suggests_in_its_routes_are_on_it_to_be_tried(tape):
    suggested = re.findall(r"symbols: \{\w+: (\w+)\}", config_template())
    assert suggested
    assert set(suggested) <= set(tape.frames[0])


def test_every_quote_is_on_the_grid_and_uncrossed(tape):
    universe = parse_meta(tape.meta)
    listed = {a.coin for a in universe.assets if not a.delisted}
    for frame in tape.frames[::30]:
        assert set(frame) == listed
        for coin, quote in frame.items():
            asset, tick = universe.asset(coin), tick_of(universe.asset(coin), quote)
            assert all(is_valid_px(asset, px) and is_valid_size(asset, sz) for px, sz in tick.bids + tick.asks)
            assert tick.bids[0][0] < tick.asks[0][0]
            assert len(tick.bids) >= 3


def sol_marks(tape: Tape) -> list[Decimal]:
    return [D(frame["SOL"][3]) for frame in tape.frames]


def test_sol_gaps_down_a_third_in_by_less_than_a_stops_slippage(tape):
    moves = [b / a - 1 for a, b in zip(sol_marks(tape), sol_marks(tape)[1:], strict=False)]
    at = moves.index(min(moves))
    assert 0.3 < at / len(moves) < 0.37
    assert D("-0.06") < moves[at] < D("-0.03")
    assert min(moves[:at] + moves[at + 1 :]) > D("-0.01")


def test_it_ends_near_where_it_began_so_that_it_can_loop(tape):
    for coin in ("BTC", "ETH", "SOL"):
        first, last = (D(tape.frames[i][coin][3]) for i in (0, -1))
        assert abs(last / first - 1) < D("0.01")


def frames_of(player: TapePlayer, elapsed_ms: int) -> list[Decimal]:
    return [t.mark for t in player.due(elapsed_ms) if t.coin == "SOL"]


def test_a_player_gives_each_frame_once_and_skips_what_it_missed(tape):
    player, marks = TapePlayer(tape), sol_marks(tape)
    assert frames_of(player, 0) == [marks[0]]
    assert frames_of(player, 999) == []
    assert frames_of(player, 7_500) == [marks[7]]
    assert frames_of(player, 7_999) == []


@pytest.mark.parametrize(("loop", "index"), [(True, 2), (False, -1)])
def test_after_the_end_it_starts_again_or_holds(tape, loop, index):
    player = TapePlayer(tape, loop)
    assert frames_of(player, tape.length_ms + 2_000) == [sol_marks(tape)[index]]


META = '{"meta": {"universe": [{"name": "BTC", "szDecimals": 5, "maxLeverage": 40}]}, "step_ms": 1000}\n'
ODD_LINES = [
    "[]",
    '{"ETH": ["1", "2", "3", "4", "5"]}',
    '{"BTC": ["1", "2", "3", "4"]}',
    '{"BTC": ["1", "2", "3", "4", "NaN"]}',
    '{"BTC": [1, 2, 3, 4, 5]}',
    '{"BTC": "12345"}',
]


def test_a_market_of_ones_own_plays(tmp_path):
    path = tmp_path / "tape.jsonl.gz"
    path.write_bytes(gzip.compress((META + '{"BTC": ["1", "2", "3", "4", "5"]}').encode()))
    (tick,) = TapePlayer(configured_tape(path)).due(0)
    assert (tick.coin, tick.mark) == ("BTC", Decimal(4))


@pytest.mark.parametrize(
    "lines",
    [
        *(None, "", "a: b\n", '{"meta": {}, "step_ms": 1000}\n', '{"meta": {}, "step_ms": 0}\n{}'),
        *('{"meta": [], "step_ms": 1000}\n{}', '{"meta": {"universe": []}, "step_ms": Infinity}\n{}', "[]\n{}"),
        *(META + line for line in ODD_LINES),
    ],
)
def test_what_is_no_recorded_market_is_an_error_of_the_configuration(tmp_path, lines):
    path = tmp_path / "tape.jsonl.gz"
    if lines is not None:
        path.write_bytes(gzip.compress(lines.encode()))
    with pytest.raises(ConfigError, match="no recorded market"):
        configured_tape(path)
