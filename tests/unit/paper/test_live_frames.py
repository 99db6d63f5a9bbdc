"""The public feed's frames become ticks."""

from __future__ import annotations

from executor.paper.live_frames import Books


def book(coin: str, bids, asks):
    rows = [[{"px": px, "sz": sz, "n": 1} for px, sz in side] for side in (bids, asks)]
    return {"channel": "l2Book", "data": {"coin": coin, "time": 1, "levels": rows}}


def bbo(coin: str, bid, ask):
    rows = [None if top is None else {"px": top[0], "sz": top[1], "n": 1} for top in (bid, ask)]
    return {"channel": "bbo", "data": {"coin": coin, "time": 1, "bbo": rows}}


def test_a_new_best_stands_in_front_of_the_known_levels_behind_it():
    books = Books()
    books.tick(book("BTC", [("99", "1"), ("98", "2"), ("97", "3")], [("101", "1"), ("102", "2")]))
    tick = books.tick(bbo("BTC", ("98", "5"), ("100.5", "4")))
    assert tick.bids == ((98, 5), (97, 3))
    assert [px for px, _ in tick.asks] == [100.5, 101, 102]
    assert books.tick(bbo("BTC", None, ("101", "1"))).bids == ()


def test_a_context_moves_mark_oracle_and_funding_and_ignores_what_is_missing():
    ctx = {"markPx": "100.0", "oraclePx": "99.0", "funding": "0.0000125", "midPx": None}
    tick = Books().tick({"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": ctx}})
    assert (tick.mark, tick.oracle, tick.last) == (100, 99, None)
    dead = Books().tick({"channel": "activeAssetCtx", "data": {"coin": "BTC", "ctx": ctx | {"markPx": "0.0"}}})
    assert dead.mark is None


def test_other_frames_are_no_news():
    for message in ({"channel": "pong"}, {"channel": "subscriptionResponse", "data": {}}, {}):
        assert Books().tick(message) is None
