"""meta.py: the universe as the venue lists it, and a named error for anything else."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executor.core.types import Asset
from executor.errors import VenueAnswerOdd
from executor.hyperliquid.meta import parse_meta

DATA = Path(__file__).parents[2] / "data" / "hyperliquid"

META: dict[str, Any] = {
    "universe": [
        {"name": "BTC", "szDecimals": 5, "maxLeverage": 40, "marginTableId": 56},
        {"name": "ETH", "szDecimals": 4, "maxLeverage": 25, "marginTableId": 25},
        {"name": "OLD", "szDecimals": 1, "maxLeverage": 3, "isDelisted": True, "onlyIsolated": True},
        {"name": "ISO", "szDecimals": 1, "maxLeverage": 5, "marginTableId": 5, "marginMode": "strictIsolated"},
    ],
    "marginTables": [
        [
            56,
            {
                "description": "tiered 40x",
                "marginTiers": [
                    {"lowerBound": "150000000.0", "maxLeverage": 20},
                    {"lowerBound": "0.0", "maxLeverage": 40},
                ],
            },
        ]
    ],
    "collateralToken": 0,
}


def test_the_universe_gives_assets_by_name_and_by_id() -> None:
    universe = parse_meta(META)
    assert universe.coins == ("BTC", "ETH", "OLD", "ISO")
    assert universe.asset("ETH") == Asset("ETH", 1, 4, 25)
    assert universe.asset("eth") is None
    assert universe.by_id(2) == Asset("OLD", 2, 1, 3, isolated_only=True, delisted=True)
    assert universe.by_id(3) == Asset("ISO", 3, 1, 5, isolated_only=True)
    assert universe.strictly_isolated == {"ISO"}
    assert universe.by_id(4) is None
    assert universe.by_id(-1) is None


def test_tiers_come_from_the_table_lowest_first() -> None:
    assert parse_meta(META).tiers("BTC") == ((Decimal(0), 40), (Decimal(150000000), 20))


def test_small_table_ids_and_missing_ones_are_a_single_tier() -> None:
    universe = parse_meta(META)
    assert universe.tiers("ETH") == ((Decimal(0), 25),)
    assert universe.tiers("OLD") == ((Decimal(0), 3),)
    with pytest.raises(KeyError):
        universe.tiers("NONE")


def test_a_recorded_old_answer_without_margin_tables_is_read() -> None:
    recorded = json.loads((DATA / "get_info.json").read_text())["response"]
    universe = parse_meta(recorded)
    assert len(universe.coins) == len(recorded["universe"])
    assert universe.asset("kPEPE") == Asset("kPEPE", 15, 0, 50)


def test_universes_are_values_by_identity() -> None:
    one = parse_meta(META)
    assert one == one  # identity is what is promised
    assert one != parse_meta(META)
    assert "BTC" in repr(one)


def _with(**changes: Any) -> dict[str, Any]:
    return {**META, **changes}


ROW = META["universe"][0]


@pytest.mark.parametrize(
    ("obj", "problem"),
    [
        (None, "meta: expected an object"),
        ([], "meta: expected an object"),
        ({}, "universe: expected an array"),
        (_with(universe=[7]), r"meta.universe\[0\]: expected an object"),
        (_with(universe=[{**ROW, "name": 3}]), "name: expected a string"),
        (_with(universe=[{**ROW, "szDecimals": "5"}]), "szDecimals: expected an integer"),
        (_with(universe=[{**ROW, "maxLeverage": None}]), "maxLeverage: expected an integer"),
        (_with(universe=[{**ROW, "marginTableId": "56"}]), "BTC.marginTableId: expected an integer"),
        (_with(universe=[{**ROW, "marginTableId": 77}]), "no margin table 77"),
        (_with(universe=[{**ROW, "marginTableId": 0}]), "no margin table 0"),
        (_with(universe=[ROW, ROW]), "listed twice"),
        (_with(marginTables={}), "marginTables: expected an array"),
        (_with(marginTables=[5]), r"marginTables\[0\]: expected \[id, table\]"),
        (_with(marginTables=[[56]]), r"marginTables\[0\]: expected \[id, table\]"),
        (_with(marginTables=[["56", {}]]), r"marginTables\[0\]: expected \[id, table\]"),
        (_with(marginTables=[[56, 3]]), r"marginTables\[0\]: expected an object"),
        (_with(marginTables=[[56, {"marginTiers": [3]}]]), "marginTiers"),
        (_with(marginTables=[[56, {"marginTiers": [{"lowerBound": 1.5, "maxLeverage": 3}]}]]), "lowerBound"),
        (_with(marginTables=[[56, {"marginTiers": []}]]), "no tier"),
    ],
)
def test_odd_shapes_are_named(obj: object, problem: str) -> None:
    with pytest.raises(VenueAnswerOdd, match=problem):
        parse_meta(obj)
