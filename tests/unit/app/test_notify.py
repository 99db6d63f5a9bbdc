"""notify: news reaches a stranger's notifier in order, and nothing waits for one that hangs."""

from __future__ import annotations

import threading
from typing import ClassVar

from executor.app.notify import MOST_WAITING, AtLeast


class Bell:
    """Rings when it may; remembers what was told, and where."""

    def __init__(self) -> None:
        self.may = threading.Event()
        self.told: list[str] = []
        self.threads: set[threading.Thread] = set()

    def notify(self, level: str, title: str, body: str) -> None:
        self.threads.add(threading.current_thread())
        if not self.may.wait(20):
            raise TimeoutError
        self.told.append(title)
        if title == "leave":
            raise SystemExit(7)

    def close(self) -> None:
        self.told.append("closed")


class InLoop(Bell):
    inline: ClassVar[bool] = True


async def test_nothing_waits_for_a_notifier_that_hangs_and_all_is_told_in_order_when_it_comes_back() -> None:
    bell = Bell()
    teller = AtLeast("info", bell)
    titles = [str(number) for number in range(MOST_WAITING)]
    for title in titles:
        teller.notify("alarm", title, "")
    assert bell.told == []
    bell.may.set()
    await teller.close()
    assert bell.told == [*titles, "closed"]
    assert threading.current_thread() not in bell.threads


async def test_no_more_waits_for_a_notifier_that_hangs_than_the_bound() -> None:
    bell = Bell()
    teller = AtLeast("info", bell)
    for number in range(3 * MOST_WAITING):
        teller.notify("alarm", str(number), "")
    bell.may.set()
    await teller.close()
    assert len(bell.told) <= MOST_WAITING + 2  # the one it hung at, and that it was closed


async def test_a_notifier_that_calls_exit_is_told_the_next_news_too() -> None:
    bell = Bell()
    bell.may.set()
    teller = AtLeast("info", bell)
    for title in ("leave", "next"):
        teller.notify("alarm", title, "")
    await teller.close()
    assert bell.told == ["leave", "next", "closed"]


def test_a_notifier_that_needs_the_loop_is_called_in_it() -> None:
    bell = InLoop()
    bell.may.set()
    AtLeast("info", bell).notify("alarm", "one", "")
    assert bell.threads == {threading.current_thread()}
