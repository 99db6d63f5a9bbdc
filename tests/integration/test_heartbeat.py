"""The sign of life and the webhook over real HTTP: they stop when they should, and never stand in anyone's way."""

from __future__ import annotations

import asyncio
import io
import logging
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog
from aiohttp import web
from pydantic import SecretStr

from executor import logs, plugins
from executor.app import compose
from executor.app.heartbeat import Heartbeat
from executor.app.notify import AtLeast
from executor.app.webhook import MOST_WAITING, WebhookNotifier, WebhookOptions
from executor.config import Loaded, load_text
from executor.errors import ConfigError

PATH = "/ping/canary-b7d1f0c2-uuid-9e"


class Monitor:
    """An outside monitor that counts what comes in; ``answers`` are its next statuses, ``open`` lets them go."""

    def __init__(self) -> None:
        self.beats = 0
        self.news: list[dict[str, Any]] = []
        self.answers: list[int] = []
        self.open = asyncio.Event()
        self.open.set()
        self.redirected = 0

    async def start(self) -> web.AppRunner:
        app = web.Application()
        app.add_routes([web.get(PATH, self._beat), web.post(PATH, self._told), web.get("/else", self._strange)])
        runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.05)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _beat(self, request: web.Request) -> web.Response:
        await self.open.wait()
        self.beats += 1
        return self._answer()

    async def _told(self, request: web.Request) -> web.Response:
        await self.open.wait()
        self.news.append(await request.json())
        return self._answer()

    async def _strange(self, request: web.Request) -> web.Response:
        self.redirected += 1
        return web.Response()

    def _answer(self) -> web.Response:
        status = self.answers.pop(0) if self.answers else 200
        return web.Response(status=status, headers={"location": "/else"} if status == 302 else {})

    @property
    def secret(self) -> SecretStr:
        return SecretStr(self.url + PATH)


@pytest.fixture
async def monitor() -> AsyncIterator[Monitor]:
    one = Monitor()
    runner = await one.start()
    yield one
    await runner.cleanup()


@pytest.fixture
def said() -> Iterator[Callable[[], str]]:
    """What was logged, at DEBUG, as a user sees it. Logging is one per process: what was there is put back."""
    root, hooks = logging.getLogger(), (sys.excepthook, sys.unraisablehook, threading.excepthook)
    handlers, level, out = root.handlers[:], root.level, io.StringIO()
    logs.configure("DEBUG", "json", out)
    yield out.getvalue
    root.handlers[:] = handlers
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
    root.setLevel(level)
    structlog.reset_defaults()


async def until(true: Callable[[], object], within_s: float = 20) -> None:
    async with asyncio.timeout(within_s):
        while not true():
            await asyncio.sleep(0.01)


# -- the sign of life -----------------------------------------------------------------------------------------------


class Beating:
    """A heartbeat that runs while this is open."""

    def __init__(self, url: SecretStr, every_s: float = 0.05) -> None:
        self.why = ""
        self.looked = 0
        self.heart = Heartbeat(url, every_s, self._unwell)

    def _unwell(self) -> str:
        self.looked += 1
        return self.why

    async def __aenter__(self) -> Beating:
        self.task = asyncio.create_task(self.heart.run())
        return self

    async def __aexit__(self, *_: object) -> None:
        assert not self.task.done()
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_it_beats_while_all_is_well_stops_when_it_is_not_and_begins_again(monitor: Monitor) -> None:
    async with Beating(monitor.secret) as one:
        await until(lambda: monitor.beats >= 3)
        one.why = "no channel is open"
        looked = one.looked
        await until(lambda: one.looked >= looked + 3)
        stopped = monitor.beats
        await until(lambda: one.looked >= looked + 8)
        assert monitor.beats == stopped
        one.why = ""
        await until(lambda: monitor.beats >= stopped + 2)


@pytest.mark.parametrize("status", [302, 404, 429, 500])
async def test_an_odd_answer_ends_nothing_and_a_redirect_is_not_followed(monitor: Monitor, status: int) -> None:
    monitor.answers = [status] * 3
    async with Beating(monitor.secret):
        await until(lambda: monitor.beats >= 5)
    assert monitor.redirected == 0


async def test_a_monitor_that_hangs_or_is_gone_holds_up_nobody(said: Callable[[], str]) -> None:
    monitor = Monitor()
    runner = await monitor.start()
    monitor.open.clear()
    async with Beating(monitor.secret) as one:
        await until(lambda: one.looked >= 3)
        await runner.cleanup()
        looked = one.looked
        await until(lambda: one.looked >= looked + 3)
    told = said()
    assert "cannot be reached" in told
    assert "canary-b7d1" not in told


async def test_a_change_is_told_once_and_the_address_never(monitor: Monitor, said: Callable[[], str]) -> None:
    monitor.answers = [500] * 4
    async with Beating(monitor.secret) as one:
        await until(lambda: monitor.beats >= 6)
        one.why = "the ledger cannot be written"
        looked = one.looked
        await until(lambda: one.looked >= looked + 4)
    told = said()
    assert told.count("HTTP 500") == 1
    assert told.count("heartbeat goes on") == 1
    assert told.count("the ledger cannot be written") == 1
    assert "canary-b7d1" not in told


@pytest.mark.parametrize("text", ["", "canary-secret", "ftp://host/canary-secret", "http://", "http://[canary-secret"])
def test_what_is_no_address_is_refused_without_repeating_it(text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Heartbeat(SecretStr(text), 60, lambda: "")
    assert "canary" not in str(caught.value)
    assert caught.value.exit_code == 2


# -- the webhook ------------------------------------------------------------------------------------------------------


def webhook(url: SecretStr) -> WebhookNotifier:
    return WebhookNotifier(url, pauses_s=(0.01, 0.01), close_s=30)


async def test_news_is_posted_in_order_without_secrets(monitor: Monitor) -> None:
    logs.register_secret("canary-key-in-the-news")
    bell = WebhookNotifier.build(WebhookOptions(), {"url": monitor.secret})
    bell.notify("alarm", "STOP_MISSING", "BTC has none; canary-key-in-the-news")
    bell.notify("info", "STARTED", "again")
    await bell.close()
    assert monitor.news == [
        {"level": "alarm", "title": "STOP_MISSING", "body": f"BTC has none; {logs.MASK}"},
        {"level": "info", "title": "STARTED", "body": "again"},
    ]


@pytest.mark.parametrize(("answers", "attempts"), [([503, 429], 3), ([500] * 5, 3), ([404], 1), ([302], 1)])
async def test_what_may_pass_is_tried_three_times_and_the_next_news_goes_on(
    monitor: Monitor, answers: list[int], attempts: int, said: Callable[[], str]
) -> None:
    bell, monitor.answers = webhook(monitor.secret), answers
    bell.notify("alarm", "one", "")
    await until(lambda: len(monitor.news) == attempts)
    monitor.answers = []
    bell.notify("alarm", "two", "")
    await bell.close()
    assert [one["title"] for one in monitor.news] == ["one"] * attempts + ["two"]
    assert monitor.redirected == 0
    assert "canary-b7d1" not in said()


async def test_notify_never_waits_and_what_waits_has_an_end(monitor: Monitor, said: Callable[[], str]) -> None:
    monitor.open.clear()
    bell = webhook(monitor.secret)
    for number in range(MOST_WAITING + 7):
        bell.notify("alarm", f"n{number}", "")
    monitor.open.set()
    await bell.close()
    assert [one["title"] for one in monitor.news] == [f"n{number}" for number in range(MOST_WAITING)]
    assert said().count("too much to tell") == 7


async def test_a_receiver_that_hangs_does_not_hold_up_the_end(monitor: Monitor, said: Callable[[], str]) -> None:
    monitor.open.clear()
    bell = WebhookNotifier(monitor.secret, close_s=0.1)
    bell.notify("alarm", "one", "")
    await bell.close()
    assert "not everything was told" in said()


async def test_closing_without_news_is_nothing() -> None:
    await webhook(SecretStr("http://127.0.0.1:9/x")).close()


def test_a_webhook_without_an_address_is_a_mistake_of_the_configuration() -> None:
    with pytest.raises(ConfigError, match="no address"):
        WebhookNotifier.build(WebhookOptions(), {})


# -- between the worker and whoever is told -------------------------------------------------------------------------


class Bell:
    def __init__(self, error: Exception | None = None) -> None:
        self.rung: list[str] = []
        self.error = error
        self.closed = False

    def notify(self, level: str, title: str, body: str) -> None:
        self.rung.append(level)
        if self.error is not None:
            raise self.error

    def close(self) -> None:
        self.closed = True
        if self.error is not None:
            raise self.error


@pytest.mark.parametrize(("least", "rung"), [("info", 4), ("warning", 3), ("alarm", 2)])
def test_only_what_matters_enough_is_passed_on(least: str, rung: int) -> None:
    bell = Bell()
    for level in ("info", "warning", "alarm", "unheard of"):
        AtLeast(least, bell).notify(level, "", "")
    assert len(bell.rung) == rung


async def test_a_notifier_that_raises_breaks_nothing() -> None:
    bell = Bell(RuntimeError("broken"))
    guarded = AtLeast("info", bell)
    guarded.notify("alarm", "", "")
    await guarded.close()
    assert (bell.rung, bell.closed) == (["alarm"], True)
    await AtLeast("info", logs.LogNotifier()).close()


# -- as configured ----------------------------------------------------------------------------------------------------

MINE = """
class Bell:
    def __init__(self):
        self.rung = []

    def notify(self, level, title, body):
        self.rung.append(title)
"""


def configured(folder: Path, text: str, **environ: str) -> Loaded:
    (folder / "mine.py").write_text(MINE)
    return load_text(text, folder / "config.yaml", [], environ, plugins)


def test_the_log_is_always_told_once_and_others_from_their_level_on(tmp_path: Path) -> None:
    text = "notify: [{type: log}, {type: webhook, url_env: ALERTS}, {type: 'mine.py:Bell', level: alarm}]"
    log, hook, mine = compose.notifiers(configured(tmp_path, text, ALERTS="https://host/canary-alerts-1f0"))
    assert isinstance(log, logs.LogNotifier)
    assert isinstance(hook, AtLeast)
    assert isinstance(mine, AtLeast)
    for level in ("info", "warning", "alarm"):
        mine.notify(level, level, "")
    assert mine._notifier.rung == ["alarm"]  # type: ignore[attr-defined]  # the test's own bell


@pytest.mark.parametrize("text", ["notify: [{type: webhook}]", "notify: [{type: webhook, url_env: ALERTS}]"])
def test_a_webhook_whose_address_is_not_there_is_refused_at_the_start(tmp_path: Path, text: str) -> None:
    with pytest.raises(ConfigError, match="no address"):
        compose.notifiers(configured(tmp_path, text))


def test_a_heartbeat_is_there_where_it_has_an_address_and_refused_where_that_is_missing(tmp_path: Path) -> None:
    assert compose.heartbeat(configured(tmp_path, "version: 1"), str) is None
    text = "heartbeat: {url_env: ALIVE, every_s: 5}"
    assert compose.heartbeat(configured(tmp_path, text, ALIVE="https://host/canary-alive-1f0"), str) is not None
    with pytest.raises(ConfigError, match="url_env: ALIVE"):
        compose.heartbeat(configured(tmp_path, text), str)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("notify: [{type: bell}]", "no plugin is called 'bell'"),
        ("notify: [{type: log, level: loud}]", "level"),
        ("notify: [{type: webhook, url: 'https://host/x'}]", "url"),
        ("heartbeat: {url_env: 'https://host/x'}", "variable"),
        ("heartbeat: {url_env: A, url_file: b}", "write one of them"),
        ("accounts: [{name: main, signer_policy: {symbols: [BTC-PERP]}}]", "symbols"),
        ("accounts: [{name: main, signer_policy: {daily_cap_usd: 0}}]", "daily_cap_usd"),
        ("accounts: [{name: main, signer_policy: {dayly_cap_usd: 5}}]", "did you mean"),
    ],
)
def test_what_is_wrong_in_the_configuration_is_told(tmp_path: Path, text: str, problem: str) -> None:
    with pytest.raises(ConfigError, match=problem):
        configured(tmp_path, text)
