"""What a source's REST side may ask of us: a pause, and how long it may be."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict
from pydantic import SecretStr

from executor.clock import SystemClock
from executor.sources.nexgent_session import Session, Unreachable
from executor.sources.reconnect import MAX_RETRY_AFTER_S
from executor.sources.rest import RestReader

PAUSES = [(("7",), 7.0), (("3", "9"), 9.0), (("99999",), MAX_RETRY_AFTER_S), (("9" * 400,), MAX_RETRY_AFTER_S)]


def limited(asked: tuple[str, ...]) -> AbstractAsyncContextManager[str]:
    """A server that answers everything with 429 and these ``Retry-After``; its address."""
    return answering("", status=429, headers=CIMultiDict([("Retry-After", text) for text in asked]))


@contextlib.asynccontextmanager
async def answering(body: str, **more: Any) -> AsyncIterator[str]:
    """A server that answers everything with this; its address."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(text=body, **more)

    application = web.Application()
    application.add_routes([web.route("*", "/{path:.*}", answer)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@pytest.mark.parametrize(("asked", "given"), PAUSES)
async def test_a_rest_api_may_ask_for_a_pause_within_reason(asked: tuple[str, ...], given: float) -> None:
    async with limited(asked) as url, RestReader(url) as rest:
        assert (await rest.get("/orders")).retry_after_s == given


@pytest.mark.parametrize(("asked", "given"), PAUSES)
async def test_the_side_that_renews_tokens_may_ask_for_a_pause_within_reason(
    asked: tuple[str, ...], given: float
) -> None:
    async with limited(asked) as url:
        session = Session(url, {"refresh_token": SecretStr("a-refresh-token")}, SystemClock())
        with pytest.raises(Unreachable) as unreachable:
            await session.token()
        await session.close()
    assert unreachable.value.wait_s == given


async def test_why_an_answer_cannot_be_read_is_told_without_secrets() -> None:
    async with answering('{"the-key": 1, "the-key": 2}') as url, RestReader(url, secrets=("the-key",)) as rest:
        assert (await rest.get("/orders")).error.startswith("DUPLICATE_KEY: the key '***'")
