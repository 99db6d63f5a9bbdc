import io

import pytest
from rich.console import Console

from executor.cli.story import LONGEST_FRAME, tell

AT = "2026-11-21T23:19:46.123Z"
CLOID = "0xf7ac11f7bb733c256dce1e5f1929b677"

DECODED = {
    "system": "fractrade",
    "source": "fractrade",
    "agent_id": "agent-uuid",
    "action_id": "action-uuid",
    "action_type": "EXECUTE_HYPERLIQUID_PERP_TRADE",
    "shape": "flat",
    "symbol": "BTC",
    "coin": "BTC",
    "symbol_problem": "",
    "side": "buy",
    "size": "0.1",
    "reduce_only": False,
    "leverage": "10",
    "trigger_px": None,
    "reference_px": None,
    "stamped_at_ms": 1795303200000,
    "status": "PENDING",
    "server_execution": None,
    "gapped": False,
    "superseded": False,
}
RULE = {
    "rule": "max_leverage",
    "input": "10x",
    "limit": "5x",
    "verdict": "shrink",
    "reason": "",
    "allowed_leverage": "5",
}
LEG = {
    "leg": "entry",
    "cloid": CLOID,
    "outcome": "executed",
    "size": "0.1",
    "filled": "0.1",
    "avg_px": "100010",
    "reason": None,
    "oid": 9,
    "attempt": 1,
    "symbol": "BTC",
    "side": "buy",
    "limit_px": "100510",
    "trigger_px": None,
    "reduce_only": False,
    "planned_at": AT,
    "sent": [
        {
            "at": AT,
            "purpose": "entry",
            "signer": "0x01f8",
            "nonce": 1795303200089,
            "expires_after_ms": 1795303210089,
            "vault": None,
            "action": {"type": "order", "grouping": "na"},
            "result": "answered",
            "text": "",
        }
    ],
    "answers": [{"at": AT, "kind": "LegFilled", "data": {"cloid": CLOID, "size": "0.1", "avg_px": "100010"}}],
    "fills": [{"at_ms": 1795303200161, "side": "buy", "size": "0.1", "px": "100010", "fee_usd": "4.5", "oid": 9}],
}
ACCOUNT = {
    "account": "main",
    "route": "1: fractrade → follow → main",
    "outcome": "executed",
    "reason": None,
    "taken": {"strategy": "follow", "exit_fraction": "0", "entry_size": "0.1"},
    "strategy": {"strategy": "follow", "failure": "", "intents": [{"kind": "TradeIntent", "size": "0.1"}]},
    "quotes": [],
    "judgements": [
        {
            "proposed_size": "0.1",
            "final_size": "0.1",
            "cap_px": "100510",
            "touch_px": "100010",
            "leverage": "5",
            "rules": [RULE, {**RULE, "input": "5x", "verdict": "pass"}],
        }
    ],
    "refusals": [],
    "legs": [LEG],
    "follow_ups": [{"at": AT, "kind": "LeverageWanted", "data": {"coin": "BTC", "leverage": 5}}],
}
EXPLAINED = {
    "action_id": "action-uuid",
    "key": "0123",
    "received_at": AT,
    "frame": {"received_at": AT, "source": "fractrade", "channel": "agent:agent-uuid", "frame": '{"raw": true}'},
    "decoded": DECODED,
    "book": {"before": "0", "after": "0.1"},
    "routes": [],
    "repeats": [{"at": AT, "kind": "DuplicateSeen", "data": {"channel": "executor"}}],
    "accounts": [ACCOUNT],
}
REFUSED = {
    **ACCOUNT,
    "outcome": "refused",
    "reason": "STALE",
    "judgements": [],
    "legs": [],
    "follow_ups": [],
    "refusals": [{"reason": "STALE", "detail": "40000 ms old", "part": "entry"}],
}
MALFORMED = {
    "action_id": "broken",
    "key": None,
    "received_at": AT,
    "frame": {"source": "fractrade", "channel": "executor", "frame": "\x1b[2J{"},
    "refused": {"reason": "INVALID_JSON", "field": "", "detail": "no JSON", "agent_id": None},
    "accounts": [],
}


def told(document, width=200):
    file = io.StringIO()
    tell(document, Console(file=file, width=width, color_system=None))
    return file.getvalue()


def test_every_step_is_told_in_the_order_it_happened():
    text = told(EXPLAINED)
    steps = (
        "received",
        '{"raw": true}',
        "LONG 0.1 BTC",
        "the agent's book",
        "account main",
        "the strategy's intents",
        "risk rules",
        "max_leverage",
        "order: entry LONG 0.1 BTC",
        CLOID,
        "sent (entry)",
        '"grouping": "na"',
        "venue: filled",
        "LeverageWanted",
        "executed: done as wanted",
        "duplicate on executor",
    )
    places = [text.index(step) for step in steps]
    assert places == sorted(places)


def test_a_rule_asked_twice_is_told_once_for_the_proposal_and_once_for_the_order():
    proposal, order = [line.split() for line in told(EXPLAINED).splitlines() if "max_leverage" in line]
    assert (proposal[0], proposal[-2]) == ("proposal", "shrink")
    assert (order[0], order[-2]) == ("order", "pass")


def test_what_the_venue_says_of_the_order_is_not_told_as_of_the_proposal():
    venue = {"rule": "venue", "input": "1 USD", "limit": "10 USD", "verdict": "refuse", "reason": "BELOW_MIN_NOTIONAL"}
    rules = {**ACCOUNT["judgements"][0], "rules": [venue]}
    (row,) = [
        line
        for line in told({**EXPLAINED, "accounts": [{**ACCOUNT, "judgements": [rules]}]}).splitlines()
        if "10 USD" in line
    ]
    assert row.split()[:2] == ["order", "venue"]


def test_orders_of_the_programs_own_are_told_too():
    account = {**ACCOUNT, "taken": None, "strategy": None, "judgements": [], "route": None}
    document = {"action_id": "flatten:BTC", "key": "flatten:BTC", "received_at": AT, "frame": None, "own": True}
    said = told({**document, "accounts": [account]})
    assert "the program's own doing" in said
    assert CLOID in said
    assert "malformed" not in said


def test_a_quote_that_was_not_believed_is_told_with_its_numbers():
    quote = {
        "coin": "BTC", "side": "buy", "size": "0.1", "reason": "QUOTE_DEPTH", "detail": "the best level is 0.01",
        "bid": None, "bid_size": None, "ask": "100500", "ask_size": "0.01", "reference_px": "99000", "age_ms": 120,
    }  # fmt: skip
    refusal = {"reason": "QUOTE_DEPTH", "detail": "the best level is 0.01", "part": "entry"}
    account = {**REFUSED, "reason": "QUOTE_DEPTH", "quotes": [quote], "refusals": [refusal]}
    text = told({**EXPLAINED, "accounts": [account]})
    for words in ("the quote was not believed", "100500 x 0.01", "99000", "120 ms", "QUOTE_DEPTH — The best level"):
        assert words in text


def test_a_refusal_says_its_reason_in_plain_words():
    text = told({**EXPLAINED, "accounts": [REFUSED]})
    assert "STALE — The entry is older than entry_ttl_s allows" in text
    assert "40000 ms old" in text
    assert text.index("refused (entry)") < text.index("outcome")


def test_a_malformed_frame_is_told_without_obeying_it():
    text = told(MALFORMED)
    assert "malformed" in text
    assert "INVALID_JSON" in text
    assert "\x1b" not in text
    assert "\\x1b[2J{" in text


def test_a_suspected_duplicate_says_which_action_counts():
    seen = {"of": "first", "twin": "k1", "system": "fractrade", "agent_id": "7", "channel": "executor:7"}
    again = [{"at": AT, "kind": "DuplicateSeen", "data": {"channel": "user"}}]
    document = {"action_id": "second", "key": "k2", "received_at": AT, "frame": None, "accounts": []}
    said = told(document | {"duplicate": seen, "repeats": again})
    assert "suspected duplicate" in said
    assert "first" in said
    assert "SUSPECTED_DUPLICATE" in said
    assert "duplicate on user" in said


def test_an_action_that_came_again_under_another_id_says_which():
    repeat = {"at": AT, "kind": "DuplicateSeen", "data": {"channel": "executor:7", "action_id": "second"}}
    assert "suspected duplicate second on executor:7" in told(EXPLAINED | {"repeats": [repeat]})


def test_a_stop_is_told_as_what_it_closes():
    stop = {**DECODED, "action_type": "SET_HYPERLIQUID_PERP_STOP_LOSS", "side": "sell", "trigger_px": "90000"}
    text = told({**EXPLAINED, "decoded": stop})
    assert "stop for LONG 0.1 BTC at 90000" in text
    assert "split" not in text


@pytest.mark.parametrize(
    ("fraction", "size", "said"),
    [
        ("0.001992031872509960159362549801", "0", "exit: 0.1992 % of our position"),
        ("1", "0.2", "exit: 100 % of our position; entry: 0.2 of the agent's size"),
        ("0", "0", "nothing to trade"),
    ],
)
def test_the_split_into_exit_and_entry_is_told(fraction, size, said):
    taken = {"strategy": "follow", "exit_fraction": fraction, "entry_size": size}
    assert said in told({**EXPLAINED, "accounts": [{**ACCOUNT, "taken": taken}]})


@pytest.mark.parametrize(
    ("before", "after", "fraction", "said"),
    [("5", "2", "1", True), ("-5", "-2", "1", True), ("5", "2", "0.6", False), ("5", "0", "1", False),
     ("5", "-1", "1", False), ("0", "0", "1", False)],
)  # fmt: skip
def test_an_exit_of_more_than_the_book_tells_says_that_the_agents_orders_were_executed(before, after, fraction, said):
    taken = {"strategy": "follow", "exit_fraction": fraction, "entry_size": "0"}
    text = told({**EXPLAINED, "book": {"before": before, "after": after}, "accounts": [{**ACCOUNT, "taken": taken}]})
    assert ("% of our position (its own stops and targets had closed more of its book here)" in text) is said


def test_a_very_long_frame_is_cut_and_says_so():
    frame = {**EXPLAINED["frame"], "frame": "x" * (LONGEST_FRAME + 7)}
    assert "and 7 more characters" in told({**EXPLAINED, "frame": frame})


def test_a_symbol_the_venue_does_not_know_says_why():
    text = told({**EXPLAINED, "decoded": {**DECODED, "coin": None, "symbol_problem": "UNKNOWN_SYMBOL"}})
    assert "BTC: UNKNOWN_SYMBOL" in text


def test_what_never_reached_an_account_is_told_too():
    nobody = {**REFUSED, "account": None, "taken": None, "strategy": None, "reason": "NO_ROUTE"}
    text = told({**EXPLAINED, "accounts": [nobody], "frame": None})
    assert "no account" in text
    assert "not in the journal" in text
    assert "No route of the configuration" in text


def test_an_action_that_nothing_was_decided_about_yet_says_what_that_waits_for():
    received = {**ACCOUNT, "outcome": "pending", "taken": None, "strategy": None, "legs": [], "judgements": []}
    assert "pending: not decided yet: a running worker waits" in told({**EXPLAINED, "accounts": [received]})
    taken = {**received, "taken": ACCOUNT["taken"]}
    assert "pending: not finished yet" in told({**EXPLAINED, "accounts": [taken]})


def test_an_outcome_nobody_knows_says_so():
    assert "being looked up" in told({**EXPLAINED, "accounts": [{**ACCOUNT, "outcome": "unknown"}]})


MADE = {
    "via": "nexgent_mirror",
    "fact": "SourcePosition",
    "identity": "p1 r7",
    "subject": "p1",
    "subject_size": "600",
    "intent": {"coin": "BTC", "side": "buy", "size": "0.1", "leverage": None},
    "failure": "",
}


def test_an_action_made_of_a_fact_says_of_which_and_by_which_strategy():
    text = told({**EXPLAINED, "derived": MADE})
    for word in ("made of a SourcePosition", "p1 r7", "nexgent_mirror", "coin BTC, side buy, size 0.1", "600"):
        assert word in text
    assert "failed" not in text
    assert "made of a" not in told({**EXPLAINED, "derived": None})


def test_an_exit_that_core_made_where_the_strategy_failed_says_so():
    text = told({**EXPLAINED, "derived": {**MADE, "intent": None, "failure": "it hangs"}})
    assert "it hangs" in text
    assert "only what the source closed" in text
