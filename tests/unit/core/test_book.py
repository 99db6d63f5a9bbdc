"""The agent's book: what its own frames add up to, in the order of their stamps, and what one change means for us."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from executor.core.book import WINDOW_MAX, WINDOW_MS, Book, BookKey, Change, Split, split, with_change
from executor.core.types import Agent, Side

D = Decimal


def book_of(*changes: Change, start: Book | None = None) -> Book:
    book = start or Book()
    for change in changes:
        book = with_change(book, change)
    return book


def held(size: str) -> Book:
    """A book whose size comes from a frame so long ago that it is folded for good with the next one."""
    return with_change(Book(), Change(-10 * WINDOW_MS, D(size), reduce_only=False))


def change(at_ms: int, delta: str, *, reduce_only: bool = False) -> Change:
    return Change(at_ms, D(delta), reduce_only)


def test_frames_add_up_with_their_signs() -> None:
    assert book_of(change(1, "1"), change(2, "2"), change(3, "-0.5")).size == D("2.5")


def test_an_opposite_frame_larger_than_the_book_flips_it() -> None:
    assert book_of(change(1, "1"), change(2, "-3")).size == D(-2)


@pytest.mark.parametrize(
    ("opens", "closes", "left"),
    [
        (("0.1", "0.2"), ("-0.30000000000000004",), "0"),
        (("0.30000000000000004",), ("-0.1", "-0.2"), "0"),
        (("-0.30000000000000004",), ("0.1", "0.2"), "0"),
        (("1",), ("-1.0000001",), "-0.0000001"),
        (("0.000000001",), (), "0.000000001"),
    ],
)
def test_what_a_senders_floating_point_leaves_is_flat(
    opens: tuple[str, ...], closes: tuple[str, ...], left: str
) -> None:
    for reduce_only in (False, True):
        changes = [change(at, delta) for at, delta in enumerate(opens)]
        changes += [change(10 + at, delta, reduce_only=reduce_only) for at, delta in enumerate(closes)]
        size = book_of(*changes).size
        assert size == (max(D(left), D(0)) if reduce_only else D(left))


@pytest.mark.parametrize(
    ("start", "delta", "after"),
    [("2", "-1", "1"), ("2", "-3", "0"), ("-2", "3", "0"), ("2", "1", "2"), ("-2", "-1", "-2"), ("0", "1", "0")],
)
def test_a_reduce_only_frame_shrinks_to_zero_at_most_and_never_opens(start: str, delta: str, after: str) -> None:
    assert book_of(change(2, delta, reduce_only=True), start=held(start)).size == D(after)


def test_a_late_frame_finds_its_place_by_its_stamp() -> None:
    late = change(5, "1")
    close = change(10, "-1", reduce_only=True)
    assert book_of(close, late).size == book_of(late, close).size == 0


def test_frames_of_one_stamp_stay_in_the_order_they_came() -> None:
    close, opening = change(5, "1", reduce_only=True), change(5, "2")
    assert book_of(close, opening, start=held("-1")).size == D(2)


def test_the_newest_stamp_is_kept_whatever_comes_late() -> None:
    assert book_of(change(9, "1"), change(3, "1")).last_stamp_ms == 9


def test_a_late_frame_is_placed_rightly_also_after_the_book_went_flat() -> None:
    """Base 1 from long ago, closed at 100; what reduced at 50 comes last and belongs before the close."""
    old = held("1")
    close, late = change(100, "-1"), change(50, "-0.5", reduce_only=True)
    assert book_of(close, late, start=old).size == book_of(late, close, start=old).size == D("-0.5")


def test_frames_older_than_the_window_are_folded_for_good() -> None:
    book = book_of(change(1, "1"), change(2 + WINDOW_MS, "1"))
    assert (book.base, len(book.recent), book.size) == (D(1), 1, D(2))


def test_a_frame_at_the_windows_edge_is_still_kept() -> None:
    assert len(book_of(change(1, "1"), change(1 + WINDOW_MS, "1")).recent) == 2


def test_a_frame_from_before_the_window_still_counts() -> None:
    book = book_of(change(10 + WINDOW_MS, "1"), change(1, "2"))
    assert (book.size, book.base, book.last_stamp_ms) == (D(3), D(2), 10 + WINDOW_MS)


def test_no_more_frames_are_kept_than_the_bound() -> None:
    book = book_of(*(change(n, "1") for n in range(WINDOW_MAX + 5)))
    assert (len(book.recent), book.base, book.size) == (WINDOW_MAX, D(5), D(WINDOW_MAX + 5))


def test_a_gap_is_forgiven_once_the_book_is_flat_and_not_before() -> None:
    gapped = replace(book_of(change(1, "2")), gapped=True)
    assert with_change(gapped, change(2, "-1")).gapped
    assert not with_change(gapped, change(2, "-2")).gapped


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("0", "2", Split(D(0), D(2), Side.BUY)),
        ("0", "-2", Split(D(0), D(2), Side.SELL)),
        ("1", "3", Split(D(0), D(2), Side.BUY)),
        ("-1", "-3", Split(D(0), D(2), Side.SELL)),
        ("4", "1", Split(D("0.75"), D(0), None)),
        ("-4", "-1", Split(D("0.75"), D(0), None)),
        ("2", "0", Split(D(1), D(0), None)),
        ("2", "-1", Split(D(1), D(1), Side.SELL)),
        ("-2", "1", Split(D(1), D(1), Side.BUY)),
        ("0", "0", Split(D(0), D(0), None)),
        ("3", "3", Split(D(0), D(0), None)),
    ],
)
def test_a_change_leaves_opens_or_both(before: str, after: str, expected: Split) -> None:
    assert split(D(before), D(after)) == expected


def test_books_are_told_apart_by_system_agent_and_coin() -> None:
    keys = {BookKey(Agent(s, a), c) for s in ("x", "y") for a in ("1", "2") for c in ("BTC", "ETH")}
    assert len(keys) == 8
