"""The venue as one object: admission, budget, agents, and what the state file brings back."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from executor.paper import info
from executor.paper.feeds import default_meta
from executor.paper.gate import Request
from executor.paper.model import Rules, Tick
from executor.paper.service import Service

USER, AGENT = "0x" + "a1" * 20, "0x" + "22" * 20
NOW = 1_763_000_000_000
OK = {"status": "ok", "response": {"type": "default"}}
D = Decimal


class HandClock:
    """Stands still unless moved."""

    def __init__(self) -> None:
        self.ms = NOW

    def now_ms(self) -> int:
        return self.ms

    def monotonic_s(self) -> float:
        return self.ms / 1000


def make(path: Path | None = None, **rules) -> Service:
    service = Service(default_meta(), HandClock(), Rules(**rules), path)
    service.fund_new(USER, 10_000)
    level = ((D(2001), D(1000)),)
    service.on_market(Tick("ETH", ((D(1999), D(1000)),), level, D(2000), D(2000)))
    return service


class Nonces:
    value = NOW


def act(service: Service, action, signer: str = USER, **kw):
    Nonces.value += 1
    return service.execute(Request(action, Nonces.value, (signer,), **kw))


def order(sz: str = "1", px: str = "2001", tif: str = "Ioc", side: bool = True):
    wire = {"a": 1, "b": side, "p": px, "s": sz, "r": False, "t": {"limit": {"tif": tif}}}
    return {"type": "order", "orders": [wire], "grouping": "na"}


def test_a_restart_brings_everything_back(tmp_path):
    path = tmp_path / "deep" / "paper.db"
    before = make(path)
    before.approve_agent(USER, AGENT, "bot", None)
    before.add_sub_account(USER, "0x" + "dd" * 20, 50)
    act(before, order())
    act(before, order(px="1900", tif="Gtc"))
    act(before, {"type": "updateLeverage", "asset": 0, "isCross": False, "leverage": 3})
    used = Nonces.value
    seen = [
        info.answer(before, {"type": kind, "user": USER})
        for kind in ("clearinghouseState", "frontendOpenOrders", "userFills", "historicalOrders", "userRateLimit")
    ]
    before.file.close()

    after = make(path)
    assert [
        info.answer(after, {"type": kind, "user": USER})
        for kind in ("clearinghouseState", "frontendOpenOrders", "userFills", "historicalOrders", "userRateLimit")
    ] == seen
    refused = after.execute(Request({"type": "noop"}, used, (USER,)))
    assert refused["response"] == f"Invalid nonce: duplicate nonce {used}"
    assert act(after, {"type": "noop"}, AGENT) == OK
    assert act(after, {"type": "noop"}, vault="0x" + "dd" * 20) == OK
    after.on_market(Tick("ETH", ((D(1890), D(5)),), ((D(1895), D(5)),)))
    assert after.state.accounts[USER].positions["ETH"].szi == 2, "the resting order is on the book again"


def test_oids_go_on_where_they_stopped(tmp_path):
    path = tmp_path / "paper.db"
    first = act(make(path), order())["response"]["data"]["statuses"][0]["filled"]["oid"]
    second = act(make(path), order())["response"]["data"]["statuses"][0]["filled"]["oid"]
    assert second == first + 1


def test_a_failed_commit_keeps_the_file_as_it_was(tmp_path):
    service = make(tmp_path / "paper.db")
    pushes = service.exchange.take()
    pushes.users.add(USER)
    service.state.accounts[USER].requests = 99
    pushes.fills[USER].append({"not json": {1, 2}})
    service.file._write = lambda *a: (_ for _ in ()).throw(RuntimeError("disk full"))
    with pytest.raises(RuntimeError):
        service.file.save(service.state, pushes, service.gate)
    assert make(tmp_path / "paper.db").state.accounts[USER].requests == 0


def test_the_budget_lets_one_request_in_ten_seconds_through_and_cancels_more():
    service = make(address_budget=1)
    assert act(service, {"type": "noop"}) == OK
    assert act(service, {"type": "noop"}) == OK, "the first over the limit passes"
    text = (
        "Too many cumulative requests sent (2 > 1) for cumulative volume traded $0.00. "
        "Place taker orders to free up 1 request per USDC traded."
    )
    assert act(service, {"type": "noop"})["response"] == text
    cancel = {"type": "cancel", "cancels": [{"a": 1, "o": 1}]}
    assert act(service, cancel)["response"].startswith("Too many"), "twice the budget is used up as well"
    service.clock.ms += 10_000
    assert act(service, {"type": "noop"}) == OK


def batch(size: int):
    return order("0.01", "1900", "Gtc") | {"orders": order("0.01", "1900", "Gtc")["orders"] * size}


def test_without_budget_a_batch_is_more_than_the_one_request_there_is():
    service = make(address_budget=3)
    assert act(service, batch(3))["status"] == "ok"
    assert act(service, batch(2))["response"].startswith("Too many")
    assert act(service, batch(1))["status"] == "ok", "the refusal did not use it up"
    service.clock.ms += 10_000
    assert act(service, batch(39))["response"].startswith("Too many")
    assert act(service, batch(1))["status"] == "ok"
    assert act(service, batch(1))["response"].startswith("Too many")
    assert service.state.accounts[USER].requests == 5


def test_what_is_left_of_the_budget_is_not_overdrawn_by_a_batch():
    service = make(address_budget=3)
    act(service, batch(2))
    assert act(service, batch(2))["response"].startswith("Too many")
    assert act(service, batch(1))["status"] == "ok"


def test_trading_buys_budget():
    service = make(address_budget=1)
    act(service, order())
    assert act(service, {"type": "noop"}) == OK
    assert act(service, {"type": "noop"}) == OK


def test_a_stale_action_costs_five_requests_and_does_nothing():
    service = make()
    answer = act(service, order(), expires_after_ms=NOW - 1)
    assert answer == {"status": "err", "response": "Action already expired"}
    assert service.state.accounts[USER].requests == 5
    assert not service.state.orders


@pytest.mark.parametrize(
    ("name", "until"),
    [("bot", NOW + 90 * 86_400_000), ("bot valid_until 1763000009999", 1_763_000_009_999), ("", None)],
)
def test_approve_agent_registers_name_and_validity(name, until):
    service = make()
    action = {"type": "approveAgent", "agentAddress": AGENT, "agentName": name}
    assert act(service, action, user_signed=True) == OK
    agents = info.answer(service, {"type": "extraAgents", "user": USER})
    assert agents == ([] if not name else [{"name": "bot", "address": AGENT, "validUntil": until}])
    assert info.answer(service, {"type": "userRole", "user": AGENT}) == {"role": "agent", "data": {"user": USER}}


def test_three_named_agents_are_enough_and_names_are_short():
    service = make()
    for i in range(3):
        service.approve_agent(USER, f"0x{i:040x}", f"bot{i}")
    approve = {"type": "approveAgent", "agentAddress": AGENT, "agentName": "bot9"}
    assert act(service, approve, user_signed=True)["response"].startswith("Too many extra agents")
    assert act(service, approve | {"agentName": "bot1"}, user_signed=True) == OK
    assert act(service, approve | {"agentName": "x" * 17}, user_signed=True)["status"] == "err"


@pytest.mark.parametrize("until", ["²", "soon", "-1", "9" * 5000, str(NOW), str(NOW + 180 * 86_400_000 + 1)])
def test_an_agent_is_valid_until_a_time_within_180_days(until):
    service = make()
    approve = {"type": "approveAgent", "agentAddress": AGENT, "agentName": f"bot valid_until {until}"}
    assert act(service, approve, user_signed=True)["status"] == "err"
    assert act(service, approve | {"agentName": f"bot valid_until {NOW + 180 * 86_400_000}"}, user_signed=True) == OK


def test_an_address_is_an_agent_once_while_it_is_valid():
    service = make()
    approve = {"type": "approveAgent", "agentAddress": AGENT, "agentName": f"bot valid_until {NOW + 1}"}
    assert act(service, approve, user_signed=True) == OK
    again = approve | {"agentName": "other"}
    refused = {"status": "err", "response": "Extra agent already used."}
    assert act(service, again, user_signed=True) == refused
    service.clock.ms += 1
    assert act(service, again, user_signed=True) == OK


def test_builder_fees_and_foreign_user_signed_actions():
    service = make()
    builder = "0x" + "cc" * 20
    action = {"type": "approveBuilderFee", "maxFeeRate": "0.01%", "builder": builder}
    assert act(service, action, user_signed=True) == OK
    assert info.answer(service, {"type": "maxBuilderFee", "user": USER, "builder": builder}) == 10
    for odd in ("ten", "1..%", ".%", "1"):
        assert act(service, action | {"maxFeeRate": odd}, user_signed=True)["status"] == "err"
    assert act(service, {"type": "usdSend"}, user_signed=True)["status"] == "err"


def test_ten_builders_are_enough_and_one_that_gets_nothing_is_none():
    service = make()
    builders = [f"0x{number:040x}" for number in range(11)]
    approve = {"type": "approveBuilderFee", "maxFeeRate": "0.01%"}
    answers = [act(service, approve | {"builder": one}, user_signed=True)["status"] for one in builders]
    assert answers == ["ok"] * 10 + ["err"]
    assert act(service, approve | {"builder": builders[3], "maxFeeRate": "0%"}, user_signed=True) == OK
    assert act(service, approve | {"builder": builders[10]}, user_signed=True) == OK
    approved = info.answer(service, {"type": "approvedBuilders", "user": USER})
    assert set(approved) == set(builders) - {builders[3]}


def test_listeners_hear_after_the_file_has_it(tmp_path):
    service = make(tmp_path / "paper.db")
    heard = []
    service.listeners.append(lambda pushes: heard.append(bool(service.file.fact("next_oid")) and dict(pushes.fills)))
    act(service, order())
    assert heard[-1][USER][0]["sz"] == "1.0"


def test_time_alone_pays_funding():
    service = make()
    act(service, order())
    service.clock.ms += 3_600_000
    service.tick()
    assert len(info.answer(service, {"type": "userFunding", "user": USER, "startTime": 0})) == 1


def writable(service: Service, yes: bool) -> None:
    """Takes the file's being writable away, or gives it back, a second later: SQLite itself refuses what comes."""
    service.file._db.execute(f"PRAGMA query_only = {'OFF' if yes else 'ON'}")
    service.clock.ms += 1000


def test_what_could_not_be_saved_is_kept_and_saved_and_told_with_what_comes_after(tmp_path, caplog):
    service, told = make(tmp_path / "paper.db"), []
    service.listeners.append(told.append)
    writable(service, False)
    for _ in range(2):
        act(service, order())
        service.tick()
    assert service.is_stuck
    assert told == [], "nobody hears of what a crash could still undo"
    writable(service, True)
    service.tick()
    assert not service.is_stuck
    assert [len(pushes.fills[USER]) for pushes in told] == [2]
    rows = [record.levelname for record in caplog.records if "paper.db" in record.message]
    assert rows == ["CRITICAL", "WARNING"], "told once, and once when it is over"

    service.file.close()
    after = make(tmp_path / "paper.db")
    assert after.state.accounts[USER].positions["ETH"].szi == 2
    assert len(after.state.fills[USER]) == 2
    refused = after.execute(Request({"type": "noop"}, Nonces.value, (USER,)))
    assert "duplicate nonce" in refused["response"]


def test_a_file_that_cannot_be_written_is_tried_again_once_a_second(tmp_path):
    service, tries = make(tmp_path / "paper.db"), []
    service.on_stuck.append(lambda: tries.append(service.clock.ms))
    writable(service, False)
    for _ in range(25):
        service.on_market(Tick("ETH", funding=D("0.0001")))
        service.fund(USER, 1)
        service.clock.ms += 100
    assert [at - tries[0] for at in tries] == [0, 1000, 2000]


def test_prices_alone_ask_for_no_file(tmp_path):
    service, told = make(tmp_path / "paper.db"), []
    service.listeners.append(told.append)
    writable(service, False)
    service.on_market(Tick("ETH", mark=D(2001)))
    assert told
    assert not service.is_stuck


def test_an_agent_that_could_not_be_saved_is_saved_later(tmp_path):
    service = make(tmp_path / "paper.db")
    writable(service, False)
    service.approve_agent(USER, AGENT)
    assert service.is_stuck
    writable(service, True)
    service.tick()
    service.file.close()
    assert act(make(tmp_path / "paper.db"), {"type": "noop"}, AGENT) == OK
