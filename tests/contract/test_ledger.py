"""What every ledger promises, asked of the file and of its twin in memory."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from executor.core.events import ActionReceived, AlarmRaised, DuplicateSeen, Event, LegPlanned, SendStarted
from executor.core.types import Agent, Side
from executor.errors import LedgerError
from executor.ledger.memory import MemoryLedger
from executor.ledger.sqlite import INDEX_BATCH, SqliteLedger
from executor.ledger.stamp import Stamp
from executor.ports import Frame, KnownKey, Ledger, Stored

STAMP = Stamp("dry_run", "testnet", {"main": "0xAA"})
KEY = "0123456789abcdef0123456789abcdef"
FRAME = Frame(1_000, "fractrade", "agent:7", '{"type": "x"}')


def received(key: str | None = KEY, at_ms: int = 5, **changes: Any) -> ActionReceived:
    fields: dict[str, Any] = {
        "frame_id": 1,
        "system": "fractrade",
        "source": "fractrade",
        "channel": "agent:7",
        "agent_id": "7",
        "action_id": "id-1",
        "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
        "shape": "flat",
        "fingerprint": "f00d",
        "symbol": "BTC",
        "coin": "BTC",
        "symbol_problem": "",
        "side": Side.BUY,
        "size": Decimal("0.10"),
        "reduce_only": False,
        "leverage": None,
        "trigger_px": None,
        "reference_px": None,
        "event_id": None,
        "stamped_at_ms": None,
        "received_at_ms": at_ms,
        "status": None,
        "server_execution": None,
        "book_before": Decimal(0),
        "book_after": Decimal("0.10"),
        "gapped": False,
        "superseded": False,
        "accounts": ("main",),
        "routes": ("follow",),
    }
    return ActionReceived(at_ms=at_ms, key=key, **{**fields, **changes})


def sent(nonce: int, signer: str = "0xSigner") -> SendStarted:
    action = {"type": "order", "orders": [{"a": 0, "b": True, "p": "1"}], "grouping": "na"}
    return SendStarted(
        at_ms=1,
        account="main",
        key=KEY,
        request_id=f"r{nonce}",
        purpose="entry",
        signer=signer,
        nonce=nonce,
        expires_after_ms=None,
        vault=None,
        action=action,
        cloids=("0x1",),
    )


def alarm(text: str, account: str | None = None) -> AlarmRaised:
    return AlarmRaised(at_ms=1, account=account, code="TEST", text=text)


@pytest.fixture(params=["file", "memory"])
def ledger(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    made = MemoryLedger() if request.param == "memory" else SqliteLedger(tmp_path / "l.db", stamp=STAMP)
    yield made
    made.close()


def test_it_is_new_and_empty(ledger: Ledger) -> None:
    assert ledger.last_seq == 0
    assert list(ledger.read()) == []
    assert ledger.known(KEY) is None
    assert ledger.last_nonce("0xSigner") == 0
    assert ledger.load_snapshot("main") is None


def test_events_come_back_equal_and_numbered_without_a_gap(ledger: Ledger) -> None:
    leg = LegPlanned(
        at_ms=2,
        account="main",
        key=KEY,
        cloid="0xf7ac",
        leg="entry",
        attempt=1,
        coin="BTC",
        side=Side.SELL,
        size=Decimal("0.00000001"),
        limit_px=Decimal("1E+3"),
        reduce_only=False,
        agent=Agent("fractrade", "7"),
    )
    assert ledger.commit([FRAME], [received(), leg]) == 2
    assert ledger.commit([], [sent(7)]) == 3
    assert list(ledger.read()) == [Stored(1, received()), Stored(2, leg), Stored(3, sent(7))]
    assert ledger.last_seq == 3


def test_reading_starts_after_a_seq_and_stops_at_a_limit(ledger: Ledger) -> None:
    ledger.commit([], [alarm(str(n)) for n in range(1, 1300)])
    assert [item.seq for item in ledger.read(after=1290)] == list(range(1291, 1300))
    assert [item.seq for item in ledger.read(after=5, limit=3)] == [6, 7, 8]
    assert list(ledger.read(limit=0)) == []
    assert [item.seq for item in ledger.read()] == list(range(1, 1300))


def test_reading_one_account_leaves_the_others_out(ledger: Ledger) -> None:
    ledger.commit([], [alarm("1"), alarm("2", "main"), alarm("3", "other"), alarm("4", "main")])
    assert [item.seq for item in ledger.read(account="main")] == [2, 4]
    assert [item.seq for item in ledger.read(account="main", limit=1)] == [2]


def test_reading_while_writing_sees_what_comes(ledger: Ledger) -> None:
    ledger.commit([], [alarm("1")])
    reader = ledger.read()
    assert next(reader).seq == 1
    ledger.commit([], [alarm("2")])
    assert ledger.last_seq == 2


def test_a_key_is_known_from_its_commit_on(ledger: Ledger) -> None:
    ledger.commit([FRAME], [received(at_ms=9)])
    assert ledger.known(KEY) == KnownKey("f00d", 9)
    assert ledger.known("0" * 32) is None


@pytest.mark.parametrize("key", ["short", "A" * 32, "z" * 32, "ü" * 32, "0x" + "a" * 30])
def test_any_text_can_be_a_key(ledger: Ledger, key: str) -> None:
    ledger.commit([], [received(key)])
    assert ledger.known(key) == KnownKey("f00d", 5)
    assert ledger.known(key.lower() + "0") is None


def test_an_action_without_a_key_is_only_recorded(ledger: Ledger) -> None:
    assert ledger.commit([], [received(None), received(None)]) == 2


def test_a_suspected_duplicates_key_is_known_too_and_never_becomes_an_action(ledger: Ledger) -> None:
    twin = DuplicateSeen(at_ms=7, key=KEY, frame_id=1, channel="user:1", suspected=True, fingerprint="f00d")
    ledger.commit([], [twin])
    assert ledger.known(KEY) == KnownKey("f00d", 7)
    with pytest.raises(LedgerError, match="already recorded"):
        ledger.commit([], [received()])
    ledger.commit([], [alarm(str(n)) for n in range(INDEX_BATCH)])
    assert ledger.known(KEY) == KnownKey("f00d", 7)


def test_a_suspected_duplicate_of_an_old_record_says_nothing_to_know(ledger: Ledger) -> None:
    ledger.commit([], [DuplicateSeen(at_ms=7, key=KEY, frame_id=1, channel="user:1", suspected=True)])
    assert ledger.known(KEY) is None


def test_no_action_is_recorded_as_new_twice(ledger: Ledger) -> None:
    ledger.commit([FRAME], [received()])
    with pytest.raises(LedgerError, match="already recorded"):
        ledger.commit([FRAME], [received()])
    with pytest.raises(LedgerError, match="already recorded"):
        ledger.commit([], [received("1" * 32), received("1" * 32)])
    assert ledger.last_seq == 1
    assert ledger.reserve_frame() == 2


def test_keys_and_nonces_survive_the_move_of_the_index(ledger: Ledger) -> None:
    keys = [f"{n:032x}" for n in range(INDEX_BATCH + 3)]
    for n, key in enumerate(keys):
        ledger.commit([], [received(key, at_ms=n), sent(1_000 + n)])
    assert [ledger.known(key) for key in keys] == [KnownKey("f00d", n) for n in range(len(keys))]
    assert ledger.last_nonce("0xSigner") == 1_000 + len(keys) - 1
    with pytest.raises(LedgerError, match="already recorded"):
        ledger.commit([], [received(keys[0])])


def test_what_came_after_a_quiet_moment_is_known_after_the_next_one(ledger: Any) -> None:
    ledger.tend()  # from here on it knows of every key in the file, so that it need not look
    ledger.commit([FRAME], [received(at_ms=9)])
    ledger.tend()
    assert ledger.known(KEY) == KnownKey("f00d", 9)
    with pytest.raises(LedgerError, match="already recorded"):
        ledger.commit([FRAME], [received()])


def test_the_highest_nonce_of_a_signer_is_kept_whatever_its_spelling(ledger: Ledger) -> None:
    ledger.commit([], [sent(7), sent(5), sent(9, "0xother")])
    ledger.commit([], [sent(6)])
    assert ledger.last_nonce("0xSIGNER") == 7
    assert ledger.last_nonce("0xother") == 9


def test_reserved_frame_ids_are_the_ids_frames_get(ledger: Ledger) -> None:
    assert [ledger.reserve_frame(), ledger.reserve_frame()] == [1, 2]
    ledger.commit([], [alarm("between")])
    assert ledger.reserve_frame() == 3
    ledger.commit([FRAME, FRAME, FRAME], [])
    assert ledger.reserve_frame() == 4


def test_frames_without_a_reservation_are_counted_too(ledger: Ledger) -> None:
    ledger.commit([FRAME, FRAME], [])
    assert ledger.reserve_frame() == 3


def test_what_cannot_be_written_is_refused_whole(ledger: Ledger) -> None:
    ledger.reserve_frame()
    with pytest.raises(LedgerError, match="NaN"):
        ledger.commit([FRAME], [alarm("fine"), received(size=Decimal("NaN"))])
    assert ledger.last_seq == 0
    assert list(ledger.read()) == []
    assert ledger.known(KEY) is None
    assert ledger.reserve_frame() == 1
    assert ledger.commit([FRAME], [received()]) == 1


def test_text_that_is_no_unicode_does_not_stop_the_worker(ledger: Ledger) -> None:
    odd = "\ud800"
    ledger.commit(
        [Frame(1, "s", "c", odd), Frame(1, "s", "c", b"\xff\x00")], [received(odd, action_id=odd), alarm(odd)]
    )
    assert ledger.last_seq == 2
    assert ledger.known(odd) is not None


def test_nothing_to_write_is_no_error(ledger: Ledger) -> None:
    assert ledger.commit([], []) == 0


def test_the_newest_snapshot_of_a_name_is_given_back(ledger: Ledger) -> None:
    for seq in (1, 2, 3):
        ledger.save_snapshot(seq, "main", b"%d" % seq)
    ledger.save_snapshot(9, "other", b"\x00")
    assert ledger.load_snapshot("main") == (3, b"3")
    assert ledger.load_snapshot("other") == (9, b"\x00")


def test_the_twin_fails_on_demand_and_keeps_nothing_of_it() -> None:
    twin = MemoryLedger(fail_at=2)
    twin.commit([FRAME], [alarm("1")])
    for _ in range(2):
        twin.reserve_frame()
        with pytest.raises(LedgerError, match="disk is full"):
            twin.commit([FRAME], [alarm("2")])
    assert twin.last_seq == 1
    assert twin.reserve_frame() == 2
    twin.fail_at = None
    assert twin.commit([FRAME], [alarm("2")]) == 2


def reopened(path: Path, *events: Event, clean: bool) -> SqliteLedger:
    ledger = SqliteLedger(path, stamp=STAMP)
    ledger.opened()
    ledger.commit([FRAME], events)
    ledger.close(clean=clean)
    return SqliteLedger(path, stamp=STAMP)


@pytest.mark.parametrize("clean", [True, False])
def test_everything_survives_a_restart(tmp_path: Path, clean: bool) -> None:
    again = reopened(tmp_path / "l.db", received(at_ms=9), sent(7), clean=clean)
    assert again.was_clean is clean
    assert not again.is_new
    assert again.last_seq == 2
    assert again.reserve_frame() == 2
    assert again.known(KEY) == KnownKey("f00d", 9)
    assert again.last_nonce("0xsigner") == 7
    assert [item.seq for item in again.read()] == [1, 2]
    again.close()
