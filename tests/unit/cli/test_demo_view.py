import json

from executor.cli.demo_view import DemoView

POSITION = {
    "account": "main",
    "symbol": "BTC",
    "size": "0.01",
    "entry_px": "1",
    "unrealized_pnl": "0.5",
    "stop_px": "0.9",
}
ORDERS = [
    {"leg": "entry", "side": "sell", "symbol": "ETH", "size": "1", "filled": "1", "outcome": "executed"},
    {"leg": "stop", "side": "sell", "symbol": "BTC", "size": "1", "trigger_px": "0.9", "outcome": "resting"},
    {"leg": "target", "side": "sell", "symbol": "BTC", "size": "1", "trigger_px": "2", "outcome": "resting"},
]
DOCUMENT = {
    "actions": [],
    "orders": ORDERS,
    "positions": [POSITION],
    "fills": [{"coin": "BTC", "side": "buy", "size": "0.01", "px": "1", "fee_usd": "0.1", "closed_pnl_usd": "0"}],
    "summary": {
        "actions": 11,
        "duplicates": 3,
        "malformed": [{"reason": "INVALID_JSON", "count": 2}],
        "refusals": [{"reason": "MAX_ORDER_NOTIONAL", "count": 1}, {"reason": "MY_RULE", "count": 4}],
        "stops_fired": 1,
        "pnl_usd": "-1.5",
        "complete": True,
    },
}


def test_the_words_of_trading_stand_where_they_apply(capsys):
    view = DemoView()
    view.line("signal a: LONG 0.01 BTC", "signal")
    view.tables(DOCUMENT)
    view.summary(DOCUMENT)
    text = capsys.readouterr().out
    for word in ("LONG", "SHORT", "stop", "target", "duplicate", "malformed", "refused", "PnL"):
        assert word in text
    assert "refused 1: MAX_ORDER_NOTIONAL — The order is larger" in text
    assert "refused 4: MY_RULE\n" in text
    assert "PnL: -1.5 USD" in text


def test_a_program_gets_one_document_on_stdout_and_progress_on_stderr(capsys):
    view = DemoView(json_out=True)
    view.line("signal a", "signal")
    view.tables(DOCUMENT)
    view.summary(DOCUMENT)
    said = capsys.readouterr()
    assert json.loads(said.out) == DOCUMENT
    assert said.err == "signal a\n"


def test_what_did_not_happen_is_said_so(capsys):
    DemoView().tables({"orders": []})
    assert "none" in capsys.readouterr().out
