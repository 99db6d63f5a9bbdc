"""What a source's REST side may ask of us: a pause, and how long it may be; and who hears nothing of us."""

from __future__ import annotations

import contextlib
import re
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

import pytest
from aiohttp import web
from multidict import CIMultiDict
from pydantic import SecretStr

from executor.clock import SystemClock
from executor.errors import CredentialRefused
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


@pytest.mark.parametrize("host", ["a..example", "a" * 64 + ".example"])
async def test_a_name_that_no_host_can_have_is_an_answer_and_no_mistake_of_ours(host: str) -> None:
    async with RestReader(f"http://{host}") as reader:
        answer = await reader.get("/x")
    assert (answer.status, answer.ok, answer.error.partition(":")[0]) == (None, False, "UnicodeError")


async def test_why_an_answer_cannot_be_read_is_told_without_secrets() -> None:
    async with answering('{"the-key": 1, "the-key": 2}') as url, RestReader(url, secrets=("the-key",)) as rest:
        assert (await rest.get("/orders")).error.startswith("DUPLICATE_KEY: the key '***'")


@contextlib.asynccontextmanager
async def stranger() -> AsyncIterator[tuple[str, list[str]]]:
    """A server nobody meant, at any path and as a proxy; its address and what it hears."""
    heard: list[str] = []

    async def listen(request: web.BaseRequest) -> web.Response:
        heard.append(f"{request.method} {request.path}")
        return web.Response(text="{}")

    runner = web.ServerRunner(web.Server(listen, access_log=None), shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", heard
    finally:
        await runner.cleanup()


async def read(url: str) -> int | None:
    async with RestReader(url, {"Authorization": "Bearer the-key"}) as rest:
        return (await rest.get("/orders")).status


async def session(url: str, **secrets: str) -> int | None:
    """What a Nexgent account was answered; told by an error as by an answer."""
    one = Session(url, {name: SecretStr(secret) for name, secret in secrets.items()}, SystemClock())
    try:
        await one.snapshot("agent", frozenset())
        return 200
    except (Unreachable, CredentialRefused) as error:
        return int(found[1]) if (found := re.search(r"HTTP (\d+)", str(error))) else None
    finally:
        await one.close()


ASKED: dict[str, Callable[[str], Awaitable[int | None]]] = {
    "a read": read,
    "a snapshot": lambda url: session(url, access_token="a-token"),
    "a renewal": lambda url: session(url, refresh_token="a-refresh-token"),
    "a login": lambda url: session(url, email="a@b.c", password="a-password"),
}


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
async def test_no_redirect_takes_our_credentials_to_another(ask: Callable[[str], Awaitable[int | None]]) -> None:
    async with stranger() as (elsewhere, heard):
        async with answering("", status=307, headers={"Location": f"{elsewhere}/stolen"}) as url:
            assert await ask(url) == 307
        assert heard == []


@pytest.mark.parametrize("ask", ASKED.values(), ids=ASKED)
async def test_no_proxy_of_the_environment_hears_our_credentials(
    ask: Callable[[str], Awaitable[int | None]], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with stranger() as (elsewhere, heard), answering("", status=418) as url:
        for name in ("NO_PROXY", "no_proxy"):
            monkeypatch.delenv(name, raising=False)
        for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, elsewhere)
        assert await ask(url) == 418
        assert heard == []
