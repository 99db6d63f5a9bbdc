"""A sign of life to a monitor outside, which alarms when it stops: nobody can tell of their own death.

GETs a secret address while the worker is of use, and stops while it is not. What becomes of a request is only logged.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import aiohttp
import structlog
from pydantic import SecretStr

from executor.app.address import secret_url

log = structlog.get_logger("executor.heartbeat")

LOOK_EVERY_S = 1.0
"""How soon it is looked again while the worker is unwell, so that the first sign follows at once when it is not."""

LONGEST_REQUEST_S = 10.0


class Heartbeat:
    """``unwell`` says why no sign is due; empty while one is."""

    def __init__(self, url: SecretStr, every_s: float, unwell: Callable[[], str]) -> None:
        self._url = secret_url("heartbeat.url", url)
        self._every_s = every_s
        self._unwell = unwell
        self._said = ""

    async def run(self) -> None:
        """Until cancelled."""
        timeout = aiohttp.ClientTimeout(total=min(self._every_s, LONGEST_REQUEST_S))
        async with aiohttp.ClientSession(timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()) as session:
            while True:
                why = self._unwell()
                self._say(f"no sign of life: {why}" if why else await self._beat(session))
                await asyncio.sleep(min(LOOK_EVERY_S, self._every_s) if why else self._every_s)

    async def _beat(self, session: aiohttp.ClientSession) -> str:
        """One sign; what went wrong with it, without the address."""
        try:
            async with session.get(self._url.get_secret_value(), allow_redirects=False) as answer:
                return "" if answer.status < 300 else f"the monitor answers HTTP {answer.status}"
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return f"the monitor cannot be reached: {type(error).__name__}"

    def _say(self, problem: str) -> None:
        """A change is told once."""
        if problem and problem != self._said:
            log.warning("heartbeat", action="heartbeat", problem=problem)
        elif self._said and not problem:
            log.info("heartbeat goes on", action="heartbeat")
        self._said = problem
