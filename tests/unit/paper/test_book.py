"""The book keeps price-time priority and shows outside and own liquidity as one."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from executor.paper.book import Book, Level, crosses, price_of

BIDS, ASKS = True, False


@dataclass
class Mine:
    oid: int
    is_buy: bool
    limit_px: Decimal
    sz: Decimal


def mine(oid: int, px: int, sz: int = 1, is_buy: bool = True) -> Mine:
    return Mine(oid, is_buy, Decimal(px), Decimal(sz))


def levels(*rows: tuple[int, int]) -> tuple[tuple[Decimal, Decimal], ...]:
    return tuple((Decimal(px), Decimal(sz)) for px, sz in rows)


def test_sides_are_sorted_best_first_and_empty_levels_dropped():
    book = Book()
    book.replace(levels((98, 1), (99, 1), (97, 0)), is_bid=BIDS)
    book.replace(levels((102, 1), (101, 1)), is_bid=ASKS)
    assert [lv.px for lv in book.levels[BIDS]] == [99, 98]
    assert [lv.px for lv in book.levels[ASKS]] == [101, 102]


def test_at_one_price_outside_liquidity_goes_first_and_a_better_own_order_before_it():
    book = Book()
    book.replace(levels((99, 1)), is_bid=BIDS)
    book.add(mine(1, 99))
    assert isinstance(book.best(BIDS), Level)
    better = mine(2, 100)
    book.add(better)
    assert book.best(BIDS) is better
    assert book.best_px(BIDS) == 100


def test_an_empty_side_has_no_best():
    assert Book().best(BIDS) is None
    assert Book().best_px(ASKS) is None


def test_equal_prices_keep_their_order_of_arrival():
    book = Book()
    for oid, px in ((1, 100), (2, 101), (3, 100), (4, 101)):
        book.add(mine(oid, px, is_buy=False))
    assert [o.oid for o in book.orders[ASKS]] == [1, 3, 2, 4]
    book.remove(mine(3, 100, is_buy=False))
    assert [o.oid for o in book.orders[ASKS]] == [1, 2, 4]


def test_depth_adds_own_size_to_outside_levels():
    book = Book()
    book.replace(levels((99, 2), (98, 1)), is_bid=BIDS)
    book.add(mine(1, 99, 3))
    book.add(mine(2, 97, 4))
    assert [(lv.px, lv.sz, lv.n) for lv in book.depth(BIDS)] == [(99, 5, 2), (98, 1, 1), (97, 4, 1)]
    assert len(book.depth(BIDS, 1)) == 1


def test_consumed_levels_disappear():
    book = Book()
    book.replace(levels((99, 2)), is_bid=BIDS)
    level = book.levels[BIDS][0]
    book.consume(level, BIDS, Decimal(1))
    assert level.sz == 1
    book.consume(level, BIDS, Decimal(1))
    assert book.best(BIDS) is None


def test_crossing_depends_on_the_side():
    assert crosses(True, Decimal(100), Decimal(100))
    assert not crosses(True, Decimal(99), Decimal(100))
    assert crosses(False, Decimal(99), Decimal(100))
    assert not crosses(False, Decimal(101), Decimal(100))
    assert price_of(mine(1, 7)) == 7
