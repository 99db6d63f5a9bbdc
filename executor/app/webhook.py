"""Tells people by HTTP: POSTs each piece of news as JSON to a secret address (entry point ``webhook``)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from typing import ClassVar

import aiohttp
import orjson
import structlog
from pydantic import SecretStr

from executor.api import ConfigError, Options
from executor.app.address import secret_url
from executor.logs import redact

log = structlog.get_logger("executor.webhook")

MOST_WAITING = 200
"""What waits beyond this is not told: the oldest news says most about what happened."""

TIMEOUT_S = 10.0
PAUSES_S = (1.0, 5.0)
"""Before the second and the third attempt; after that a piece of news is given up."""

CLOSE_S = 3.0
"""How long what still waits may take when the worker ends."""


class WebhookOptions(Options):
    """Where to POST; the address is a secret: ``url_env``, ``url_file`` or ``url_cmd``."""

    url_env: str | None = None


class WebhookNotifier:
    """POSTs ``{"level", "title", "body"}``, one after the other, in the background: trading never waits for it."""

    Options = WebhookOptions
    inline: ClassVar[bool] = True  # it only queues, and needs the loop

    def __init__(self, url: SecretStr, pauses_s: tuple[float, ...] = PAUSES_S, close_s: float = CLOSE_S) -> None:
        self._url = url
        self._pauses_s = pauses_s
        self._close_s = close_s
        self._waiting: deque[bytes] = deque()
        self._task: asyncio.Task[None] | None = None

    @classmethod
    def build(cls, options: WebhookOptions, secrets: Mapping[str, SecretStr]) -> WebhookNotifier:  # noqa: ARG003 the door's form: every option of this one is a secret
        """From its options and resolved secrets; raises ``ConfigError`` without an address."""
        if "url" not in secrets:
            raise ConfigError("notify: a webhook has no address", "write its URL into a variable, and url_env")
        return cls(secret_url("notify.url", secrets["url"]))

    def notify(self, level: str, title: str, body: str) -> None:
        """Queue one piece of news, without secrets; in a running loop."""
        if len(self._waiting) >= MOST_WAITING:
            log.warning("too much to tell: this is in the log alone", action="webhook_full", title=title)
            return
        self._waiting.append(orjson.dumps({"level": level, "title": redact(title), "body": redact(body)}))
        if self._task is None or self._task.done():
            self._task = asyncio.get_running_loop().create_task(self._tell(), name="webhook")

    async def close(self) -> None:
        """Tell what waits, for a moment."""
        if self._task is None:
            return
        try:
            async with asyncio.timeout(self._close_s):
                await self._task
        except TimeoutError:
            log.warning("not everything was told", action="webhook_left", left=len(self._waiting))

    async def _tell(self) -> None:
        while self._waiting:  # looked at again after the session is closed: news may have come meanwhile
            timeout = aiohttp.ClientTimeout(total=TIMEOUT_S)
            async with aiohttp.ClientSession(timeout=timeout, headers={"content-type": "application/json"}) as session:
                while self._waiting:
                    await self._post(session, self._waiting[0])
                    self._waiting.popleft()

    async def _post(self, session: aiohttp.ClientSession, data: bytes) -> None:
        """Up to three attempts; an answer that will not change is not asked for twice."""
        problem = ""
        for pause_s in (0.0, *self._pauses_s):
            await asyncio.sleep(pause_s)
            try:
                async with session.post(self._url.get_secret_value(), data=data, allow_redirects=False) as answer:
                    problem = f"HTTP {answer.status}"
                    if answer.status < 300:
                        return
                    if answer.status < 500 and answer.status != 429:
                        break
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                problem = type(error).__name__  # its text holds the address
        log.warning("news could not be told", action="webhook_failed", problem=problem)
