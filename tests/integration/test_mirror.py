"""What the journal of a Nexgent source adds up to, for the command line, REST and the source's own next start."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from executor.app.mirror import MirrorReader, newest_pictures, recall
from executor.ledger.sqlite import SqliteLedger
from executor.ledger.stamp import Stamp
from executor.ports import Frame
from executor.sources.nexgent import NexgentOptions

CHANNEL = "agent:a1"
MINT = "DezXAZ8z7PnrnRJjz3wXBoRgixCa6xjnB7YaB1pPB263"
ROW: dict[str, Any] = {
    "id": "p1",
    "tokenAddress": MINT,
    "tokenSymbol": "BONK",
    "walletAddress": "w1",
    "purchasePrice": 0.001,
    "purchaseAmount": 1000,
    "currentPrice": 0.001,
    "currentPriceUsd": 0.15,
    "remainingAmount": 400,
    "realizedProfitSol": 0.5,
    "currentStopLossPercentage": -32,
}


def frame(
    kind: str, data: object = None, at_ms: int = 1_760_000_000_000, channel: str = CHANNEL, source: str = "nex"
) -> Frame:
    return Frame(at_ms, source, channel, json.dumps({"type": kind, **({} if data is None else {"data": data})}))


def snapshot(*rows: dict[str, Any], **more: Any) -> Frame:
    return frame("initial_data", {"positions": rows}, **more)


def update(kind: str, **data: Any) -> Frame:
    return frame("position_update", {"eventType": kind, **data}, at_ms=1_760_000_001_000)


def reader(folder: Path, frames: list[Frame], **keys: Any) -> MirrorReader:
    stamp = Stamp("dry_run", "paper", {"main": "0x" + "00" * 20})
    ledger = SqliteLedger(folder / "l.db", stamp=stamp, durability="normal", now_ms=1)
    ledger.commit(frames, [])
    ledger.close()
    return MirrorReader(folder / "l.db", {"nex": NexgentOptions(url="http://h", agents=("a1", "a2"), **keys)})


def test_the_record_shows_value_and_profit_as_the_server_counts_them(tmp_path: Path) -> None:
    with reader(tmp_path, [frame("connected"), snapshot(ROW)]) as mirrors:
        document = mirrors.mirror("nex")
        assert document == mirrors.mirror()
        assert document is not None
        (row,) = document["positions"]
    told = ("agent_id", "symbol", "token", "holding", "bought", "value_sol", "value_usd", "profit_sol", "profit_pct")
    assert [row[name] for name in told] == ["a1", "BONK", MINT, "400", "1000", "0.4", "60", "0.5", "50"]
    assert (row["stop_sol"], row["as_of"]) == ("0.00068", "2025-10-09T08:53:20.000Z")


def test_what_came_after_the_picture_and_other_sources_frames_are_told_apart(tmp_path: Path) -> None:
    frames = [
        frame("connected"),
        snapshot(ROW, {**ROW, "id": "p2"}),
        frame("initial_data", {"positions": []}, source="other"),
        Frame(1, "nex", CHANNEL, "not json"),
        update("position_updated", position={"id": "p1", "remainingAmount": 100}),
        update("position_closed", positionId="p2"),
    ]
    with reader(tmp_path, frames) as mirrors:
        (row,) = (mirrors.mirror("nex") or {})["positions"]
    assert (row["position_id"], row["holding"], row["as_of"]) == ("p1", "100", "2025-10-09T08:53:21.000Z")


def test_wallets_left_out_by_the_configuration_are_not_shown(tmp_path: Path) -> None:
    with reader(tmp_path, [frame("connected"), snapshot(ROW)], wallets=("w2",)) as mirrors:
        assert mirrors.mirror("nex") == {"positions": []}


def test_a_source_that_mirrors_none_is_not_known(tmp_path: Path) -> None:
    with reader(tmp_path, []) as mirrors:
        assert mirrors.mirror("fractrade") is None
        assert mirrors.mirror() == {"positions": []}


def test_only_the_newest_full_picture_of_each_channel_is_read_with_all_that_belongs_to_it() -> None:
    early = update("position_created", position={**ROW, "id": "early"})
    old = [frame("connected"), snapshot(ROW)]
    new = [frame("connected"), early, snapshot(ROW), update("position_closed", positionId="p1")]
    lost = [frame("connected")]  # a connection that never brought its snapshot
    other = [frame("connected", channel="agent:a2"), snapshot(ROW, channel="agent:a2")]
    newest_first = [*other, *old, *new, *lost][::-1]
    assert newest_pictures(newest_first, [CHANNEL]) == [*new, *lost]
    assert newest_pictures(newest_first, [CHANNEL, "agent:a2"]) == [*other, *new, *lost]
    assert newest_pictures([], [CHANNEL]) == []


@pytest.mark.parametrize("count", [1, 64, 65, 200])
def test_every_frame_of_a_source_is_read_newest_first(tmp_path: Path, count: int) -> None:
    frames = [Frame(number, "nex", CHANNEL, str(number)) for number in range(count)]
    with reader(tmp_path, frames) as mirrors:
        assert list(mirrors.frames_of("nex")) == frames[::-1]


def test_a_source_that_mirrors_nothing_recalls_what_a_worker_last_heard(tmp_path: Path) -> None:
    frames = [frame("x", source=source, at_ms=at_ms) for source, at_ms in (("trades", 1), ("trades", 2), ("nex", 3))]
    reader(tmp_path, frames).close()
    loaded: Any = SimpleNamespace(config=SimpleNamespace(ledger=SimpleNamespace(path=tmp_path / "l.db")))
    configured: Any = SimpleNamespace(name="trades", options=None)
    assert [found.received_at_ms for found in recall(loaded, configured)()] == [1, 2]
