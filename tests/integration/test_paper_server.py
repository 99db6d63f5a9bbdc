"""The paper exchange's wire, byte by byte where clients depend on it: statuses, posts, pushes, faults, restarts."""

from __future__ import annotations

import asyncio
import gzip
import os
import signal
import sys
import textwrap
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from coincurve import PrivateKey

from executor.hyperliquid.signing import address_of, sign_l1
from executor.paper.channels import Cadence
from executor.paper.faults import Fault
from executor.paper.feeds import ManualMarket
from executor.paper.model import Rules
from executor.paper.server import Options, PaperExchange, serve
from executor.paper.tape import BUNDLED, TapeFeed

KEY = PrivateKey(b"\x11" * 32)
USER = address_of(KEY)
CLOID = "0x" + "0" * 31 + "7"
FAST = Cadence(100, 100, 100, 100, 100)


class HandClock:
    """The machine's time plus what a test adds."""

    def __init__(self) -> None:
        self.offset_ms = 0
        self.start_ms = 1_763_000_000_000

    def now_ms(self) -> int:
        return self.start_ms + self.offset_ms

    def monotonic_s(self) -> float:
        return asyncio.get_running_loop().time() + self.offset_ms / 1000


class Client:
    """Signs and posts, over HTTP or the websocket."""

    def __init__(self, session: aiohttp.ClientSession, url: str, nonce: int = 1_763_000_000_000) -> None:
        self.session, self.url, self.nonce = session, url, nonce

    def signed(self, action: dict[str, Any], expires: int | None = None) -> dict[str, Any]:
        self.nonce += 1
        signature = sign_l1(KEY, action, self.nonce, None, expires, False)
        return {"action": action, "nonce": self.nonce, "signature": signature, "expiresAfter": expires}

    async def exchange(self, action: dict[str, Any], **kw: Any) -> Any:
        async with self.session.post(self.url + "/exchange", json=self.signed(action, **kw)) as response:
            return await response.json()

    async def raw(self, path: str, body: Any) -> tuple[int, str, str]:
        kw = {"data": body} if isinstance(body, bytes) else {"json": body}
        async with self.session.post(self.url + path, **kw) as response:
            return response.status, response.content_type, await response.text()

    async def info(self, kind: str, **fields: Any) -> Any:
        async with self.session.post(self.url + "/info", json={"type": kind, **fields}) as response:
            return await response.json()


def order(sz: str = "1", px: str = "2001", tif: str = "Ioc", cloid: str | None = None) -> dict[str, Any]:
    wire = {"a": 1, "b": True, "p": px, "s": sz, "r": False, "t": {"limit": {"tif": tif}}}
    wire |= {"c": cloid} if cloid else {}
    return {"type": "order", "orders": [wire], "grouping": "na"}


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
async def paper(clock):
    options = Options(latency_ms=0, ip_limit=False, cadence=FAST)
    async with PaperExchange(ManualMarket(), fund={USER: 10_000}, clock=clock, options=options) as server:
        server.market.set_quote("ETH", 1999, 2001)
        yield server


@pytest.fixture
async def client(paper):
    async with aiohttp.ClientSession() as session:
        yield Client(session, paper.url)


async def frames_until(socket: Any, done: Any) -> list[dict[str, Any]]:
    """Frames up to and including the first that satisfies ``done``."""
    got: list[dict[str, Any]] = []
    async with asyncio.timeout(5):
        while not got or not done(got[-1]):
            got.append(await socket.receive_json())
    return got


async def subscribe(socket: Any, **subscription: Any) -> dict[str, Any]:
    await socket.send_json({"method": "subscribe", "subscription": subscription})
    return (await frames_until(socket, lambda m: m["channel"] == "subscriptionResponse"))[-1]


@pytest.mark.parametrize(
    ("path", "body"),
    [("/info", {"type": "nonsense"}), ("/info", b"{"), ("/exchange", {"action": {}}), ("/exchange", b"not json")],
)
async def test_a_body_of_the_wrong_shape_is_422_in_plain_text(client, path, body):
    status, kind, text = await client.raw(path, body)
    assert (status, kind) == (422, "text/plain")
    assert text.startswith("Failed to deserialize the JSON body into the target type")


async def test_too_much_in_a_minute_is_429_with_null(clock):
    async with PaperExchange(ManualMarket(), clock=clock) as server, aiohttp.ClientSession() as session:
        client = Client(session, server.url)
        for _ in range(60):
            assert (await client.raw("/info", {"type": "meta"}))[0] == 200
        assert await client.raw("/info", {"type": "meta"}) == (429, "application/json", "null")
        clock.offset_ms += 61_000
        assert (await client.raw("/info", {"type": "meta"}))[0] == 200


async def test_the_answer_comes_after_the_block_and_its_effects_are_there(clock):
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)
        await asyncio.sleep(min(seconds, 0.01))

    feed = ManualMarket()
    async with (
        PaperExchange(feed, fund={USER: 1000}, clock=clock, sleep=sleep) as server,
        aiohttp.ClientSession() as session,
    ):
        server.market.set_quote("ETH", 1999, 2001)
        client = Client(session, server.url)
        answer = await client.exchange(order())
        oid = answer["response"]["data"]["statuses"][0]["filled"]["oid"]
        assert (await client.info("orderStatus", user=USER, oid=oid))["order"]["status"] == "filled"
        assert any(0.2 <= s <= 0.27 for s in slept)


async def test_expiry_is_judged_by_the_exchanges_own_time(client, clock):
    late = await client.exchange(order(), expires=clock.now_ms() - 1)
    assert late == {"status": "err", "response": "Action already expired"}
    assert "filled" in (await client.exchange(order(), expires=clock.now_ms()))["response"]["data"]["statuses"][0]


async def test_identical_bytes_execute_once(client):
    body = client.signed(order())
    first = await client.raw("/exchange", body)
    second = await client.raw("/exchange", body)
    assert '"filled"' in first[2]
    assert f"Invalid nonce: duplicate nonce {body['nonce']}" in second[2]
    assert len(await client.info("userFills", user=USER)) == 1


async def test_the_ack_comes_first_with_defaults_then_the_snapshot(client, paper):
    async with client.session.ws_connect(paper.url + "/ws") as socket:
        ack = await subscribe(socket, type="l2Book", coin="ETH")
        assert ack["data"]["subscription"]["fast"] is False
        assert (await socket.receive_json())["channel"] == "l2Book"
        await subscribe(socket, type="userFills", user=USER)
        snapshot = (await frames_until(socket, lambda m: m["channel"] == "userFills"))[-1]["data"]
        assert snapshot == {"isSnapshot": True, "user": USER, "fills": []}


async def test_an_order_by_post_is_answered_and_pushed(client, paper):
    async with client.session.ws_connect(paper.url + "/ws") as socket:
        for kind in ("orderUpdates", "userFills", "userEvents", "openOrders", "clearinghouseState"):
            await subscribe(socket, type=kind, user=USER)
        request = {"type": "action", "payload": client.signed(order(cloid=CLOID))}
        await socket.send_json({"method": "post", "id": 7, "request": request})
        frames = await frames_until(socket, lambda m: m["channel"] == "post")
        post = frames[-1]["data"]
        status = post["response"]["payload"]["response"]["data"]["statuses"][0]
        assert (post["id"], post["response"]["type"], status["filled"]["cloid"]) == (7, "action", CLOID)
        pushed = {m["channel"]: m["data"] for m in frames}
        assert pushed["orderUpdates"][0]["status"] == "filled"
        assert pushed["user"]["fills"] == pushed["userFills"]["fills"]
        assert pushed["clearinghouseState"]["clearinghouseState"]["assetPositions"]


ODD_ID = '{"method":"post","id":%s,"request":{"type":"info","payload":{"type":"perpDexs"}}}'


async def test_info_by_post_wraps_the_same_answer_and_errors_are_text(client, paper):
    async with client.session.ws_connect(paper.url + "/ws") as socket:
        requests = [
            {"type": "info", "payload": {"type": "l2Book", "coin": "NOPE"}},
            {"type": "info", "payload": {"type": "x"}},
            {"type": "explorer", "payload": {}},
        ]
        answers = []
        for number, request in enumerate(requests):
            await socket.send_json({"method": "post", "id": number, "request": request})
            answers.append((await frames_until(socket, lambda m: m["channel"] == "post"))[-1]["data"]["response"])
        assert answers[0] == {"type": "info", "payload": {"type": "l2Book", "data": None}}
        assert answers[1]["type"] == "error"
        assert answers[1]["payload"].startswith("422 Failed to deserialize")
        assert answers[2]["type"] == "error"


async def test_quotes_are_pushed_when_they_change_and_only_then(client, paper):
    async with client.session.ws_connect(paper.url + "/ws") as socket:
        await subscribe(socket, type="bbo", coin="ETH")
        await socket.receive_json()
        paper.market.set_quote("ETH", 1999, 2001)
        paper.market.set_quote("ETH", 1998, 2001)
        [message] = await frames_until(socket, lambda m: m["channel"] == "bbo")
        assert message["data"]["bbo"][0]["px"] == "1998.0"


async def test_periodic_channels_come_by_themselves(client, paper):
    async with client.session.ws_connect(paper.url + "/ws") as socket:
        clock = paper.service.clock
        for kind in ("l2Book", "activeAssetCtx"):
            await subscribe(socket, type=kind, coin="ETH")
            await socket.receive_json()
        clock.offset_ms += 6000
        frames = await frames_until(socket, lambda m: m["channel"] == "activeAssetCtx")
        assert "l2Book" in {m["channel"] for m in frames}


async def test_mistakes_on_the_socket_are_told_and_it_lives_on(client, paper):
    async with client.session.ws_connect(paper.url + "/ws") as socket:
        await subscribe(socket, type="allMids")
        for text, beginning in (
            ('{"method":"subscribe","subscription":{"type":"allMids"}}', "Already subscribed:"),
            ('{"method":"unsubscribe","subscription":{"type":"trades","coin":"ETH"}}', "Already unsubscribed:"),
            ('{"method":"subscribe","subscription":{"type":"x"}}', "Invalid subscription"),
            ("hello", "Error parsing JSON into valid websocket request: hello"),
            ('{"method":"x"}', "Error parsing JSON"),
            ('{"method":"post","request":{}}', "Error parsing JSON"),
            *((ODD_ID % number, "Error parsing JSON") for number in ("-1", "true", "18446744073709551616")),
            ("[]", "Error parsing JSON"),
        ):
            await socket.send_str(text)
            [*_, error] = await frames_until(socket, lambda m: m["channel"] == "error")
            assert error["data"].startswith(beginning)
        await socket.send_json({"method": "ping"})
        assert (await frames_until(socket, lambda m: m["channel"] == "pong"))[-1] == {"channel": "pong"}
        await socket.send_json({"method": "unsubscribe", "subscription": {"type": "allMids"}})
        [*_, ack] = await frames_until(socket, lambda m: m["channel"] == "subscriptionResponse")
        assert ack["data"]["method"] == "unsubscribe"


async def test_eleven_users_are_too_many(client, paper):
    async with client.session.ws_connect(paper.url + "/ws") as socket:
        for i in range(10):
            await subscribe(socket, type="orderUpdates", user=f"0x{i:040x}")
        await socket.send_json({"method": "subscribe", "subscription": {"type": "userEvents", "user": USER}})
        [*_, error] = await frames_until(socket, lambda m: m["channel"] == "error")
        assert error["data"] == "Cannot track more than 10 total users."


async def test_an_unknown_coin_cuts_the_socket_without_a_word(client, paper):
    async with client.session.ws_connect(paper.url + "/ws") as socket:
        await socket.send_json({"method": "subscribe", "subscription": {"type": "bbo", "coin": "eth"}})
        message = await socket.receive(timeout=5)
        assert message.type in (aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
        assert socket.close_code == 1006


async def test_a_minute_of_silence_ends_a_connection(client, paper):
    async with client.session.ws_connect(paper.url + "/ws") as socket:
        paper.service.clock.offset_ms += 59_000
        await socket.send_json({"method": "ping"})
        await frames_until(socket, lambda m: m["channel"] == "pong")
        paper.service.clock.offset_ms += 60_000
        assert (await socket.receive(timeout=5)).type is aiohttp.WSMsgType.CLOSE


@pytest.mark.parametrize(
    ("kind", "executed"),
    [("drop_request", False), ("drop_answer", True)],
)
async def test_a_dropped_connection_says_nothing_about_what_happened(client, paper, kind, executed):
    paper.faults.arm(Fault(kind, match="order"))
    with pytest.raises(aiohttp.ClientError):
        await client.exchange(order(cloid=CLOID))
    found = await client.info("orderStatus", user=USER, oid=CLOID)
    assert (found["status"] == "order") is executed
    assert "filled" in (await client.exchange(order()))["response"]["data"]["statuses"][0], "one fault, one request"


@pytest.mark.parametrize(
    ("kind", "status", "executed"),
    [("http_429", 429, False), ("http_429_after", 429, True), ("http_502", 502, False), ("http_502_after", 502, True),
     ("garbage", 200, True)],
)  # fmt: skip
async def test_odd_answers_may_hide_an_executed_order(client, paper, kind, status, executed):
    paper.faults.arm(Fault(kind))
    got = await client.raw("/exchange", client.signed(order(cloid=CLOID)))
    assert got[0] == status
    assert ((await client.info("orderStatus", user=USER, oid=CLOID))["status"] == "order") is executed


@pytest.mark.parametrize("kind", ["delay", "delay_answer"])
async def test_delays_delay(client, paper, kind):
    paper.faults.arm(Fault(kind, delay_ms=150), Fault("http_502", on="info", match="meta"))
    started = asyncio.get_running_loop().time()
    assert (await client.exchange(order()))["status"] == "ok"
    assert asyncio.get_running_loop().time() - started >= 0.15
    assert (await client.raw("/info", {"type": "meta"}))[0] == 502


async def test_a_dropped_post_is_never_answered(client, paper):
    paper.faults.arm(Fault("drop_answer"))
    async with client.session.ws_connect(paper.url + "/ws") as socket:
        for number in (1, 2):
            request = {"type": "action", "payload": client.signed(order())}
            await socket.send_json({"method": "post", "id": number, "request": request})
        assert (await frames_until(socket, lambda m: m["channel"] == "post"))[-1]["data"]["id"] == 2
    assert len(await client.info("userFills", user=USER)) == 2


async def test_cut_sockets_see_an_abnormal_end(client, paper):
    async with client.session.ws_connect(paper.url + "/ws") as socket:
        await subscribe(socket, type="allMids")
        paper.cut_sockets()
        async with asyncio.timeout(5):
            while not socket.closed:
                await socket.receive()
        assert socket.close_code == 1006


async def test_a_cut_after_the_commit_takes_the_sockets_along(client, paper):
    paper.faults.arm(Fault("cut"))
    async with client.session.ws_connect(paper.url + "/ws") as socket:
        request = {"type": "action", "payload": client.signed(order(cloid=CLOID))}
        await socket.send_json({"method": "post", "id": 1, "request": request})
        message = await socket.receive(timeout=5)
        assert message.type is not aiohttp.WSMsgType.TEXT
    assert (await client.info("orderStatus", user=USER, oid=CLOID))["status"] == "order"


async def test_pushes_may_come_after_the_answer(clock):
    options = Options(latency_ms=0, push_delay_ms=50, cadence=FAST)
    async with (
        PaperExchange(ManualMarket(), fund={USER: 1000}, clock=clock, options=options) as server,
        aiohttp.ClientSession() as session,
        session.ws_connect(server.url + "/ws") as socket,
    ):
        server.market.set_quote("ETH", 1999, 2001)
        await subscribe(socket, type="orderUpdates", user=USER)
        request = {"type": "action", "payload": Client(session, server.url).signed(order())}
        await socket.send_json({"method": "post", "id": 1, "request": request})
        frames = await frames_until(socket, lambda m: m["channel"] == "orderUpdates")
        assert frames[0]["channel"] == "post"


async def test_the_bundled_tape_is_what_its_script_makes(tmp_path):
    made = tmp_path / "tape.jsonl.gz"
    script = Path(__file__).parents[2] / "scripts" / "make_tape"
    process = await asyncio.create_subprocess_exec(sys.executable, str(script), str(made))
    assert await process.wait() == 0
    assert gzip.decompress(made.read_bytes()) == gzip.decompress(BUNDLED.read_bytes())


async def test_rules_reach_the_engine(clock):
    async with (
        PaperExchange(
            ManualMarket(), fund={USER: 1000}, clock=clock, rules=Rules(duplicate_cloid="reject"),
            options=Options(latency_ms=0),
        ) as server,
        aiohttp.ClientSession() as session,
    ):  # fmt: skip
        server.market.set_quote("ETH", 1999, 2001)
        client = Client(session, server.url)
        await client.exchange(order(cloid=CLOID))
        again = await client.exchange(order(cloid=CLOID))
        assert again["response"]["data"]["statuses"] == [{"error": "Duplicate cloid. asset=1"}]


async def test_the_tape_plays_and_a_stop_under_sol_fires_in_its_gap():
    feed = TapeFeed(speed=400)
    async with PaperExchange(feed, options=Options(latency_ms=0, ip_limit=False)) as server:
        sol = server.service.state.markets["SOL"]
        async with asyncio.timeout(5):
            while sol.mark is None:
                await asyncio.sleep(0.01)
        start = sol.mark
        lowest = start
        async with asyncio.timeout(5):
            while lowest > start * 99 / 100:
                lowest = min(lowest, sol.mark)
                await asyncio.sleep(0.005)
        assert len(server.service.state.markets["BTC"].book.levels[True]) > 3


async def test_serve_tells_its_url_and_runs_until_cancelled():
    ready: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    task = asyncio.create_task(serve(fund={USER: 50}, on_ready=ready.set_result))
    url = await ready
    async with aiohttp.ClientSession() as session:
        state = await Client(session, url).info("clearinghouseState", user=USER)
    assert state["withdrawable"] == "50.0"
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


CHILD = """
    import asyncio, sys
    from executor.paper.feeds import ManualMarket
    from executor.paper.server import Options, PaperExchange
    from pathlib import Path

    async def main():
        feed = ManualMarket()
        options = Options(latency_ms=0, ip_limit=False)
        async with PaperExchange(feed, fund={sys.argv[2]: 10_000}, state_path=Path(sys.argv[1]), options=options) as p:
            p.market.set_quote("ETH", 1999, 2001)
            print(p.url, flush=True)
            await asyncio.Event().wait()

    asyncio.run(main())
"""


async def start_child(state: Path) -> tuple[asyncio.subprocess.Process, str]:
    script = textwrap.dedent(CHILD)
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", script, str(state), USER, stdout=asyncio.subprocess.PIPE, env={**os.environ}
    )
    assert process.stdout is not None
    async with asyncio.timeout(20):
        return process, (await process.stdout.readline()).decode().strip()


async def test_kill_minus_nine_right_after_an_answer_loses_nothing(tmp_path):
    state, nonce, oids = tmp_path / "paper.db", 0, []
    async with aiohttp.ClientSession() as session:
        for round_ in range(3):
            process, url = await start_child(state)
            now = (await Client(session, url).info("exchangeStatus"))["time"]
            client = Client(session, url, max(now, nonce))
            answer = await client.exchange(order("0.1"))
            process.send_signal(signal.SIGKILL)
            await process.wait()
            oids.append(answer["response"]["data"]["statuses"][0]["filled"]["oid"])
            nonce = client.nonce
            assert len(set(oids)) == round_ + 1
        process, url = await start_child(state)
        client = Client(session, url, nonce)
        fills = await client.info("userFills", user=USER)
        position = (await client.info("clearinghouseState", user=USER))["assetPositions"][0]["position"]
        process.kill()
        await process.wait()
    assert sorted(f["oid"] for f in fills) == oids
    assert position["szi"] == "0.3"


async def test_an_exchange_that_cannot_write_answers_nobody_and_has_all_when_it_can_again(client, paper):
    """What it would tell could be of a fill that a crash undoes: to its clients it is down, not wrong."""
    file = paper.service.file._db
    signed = client.signed(order(cloid=CLOID))
    async with client.session.ws_connect(paper.url + "/ws") as socket:
        await subscribe(socket, type="userFills", user=USER)
        assert (await socket.receive_json())["data"]["isSnapshot"]
        file.execute("PRAGMA query_only = ON")
        assert (await client.raw("/exchange", signed))[0] == 502
        assert (await socket.receive(timeout=5)).type is not aiohttp.WSMsgType.TEXT
    question = {"type": "orderStatus", "user": USER, "oid": CLOID}
    assert (await client.raw("/info", question))[0] == 502
    assert (await client.raw("/exchange", client.signed(order())))[0] == 502
    with pytest.raises(aiohttp.WSServerHandshakeError, match="502"):
        await client.session.ws_connect(paper.url + "/ws")

    file.execute("PRAGMA query_only = OFF")
    async with asyncio.timeout(20):
        while (await client.raw("/info", question))[0] == 502:
            await asyncio.sleep(0.05)
    assert (await client.info("orderStatus", user=USER, oid=CLOID))["order"]["status"] == "filled"
    assert len(await client.info("userFills", user=USER)) == 1, "what was asked while it was down was not carried out"
    assert "duplicate nonce" in (await client.raw("/exchange", signed))[2]
    assert file.execute("SELECT count(*) FROM fills").fetchone() == (1,)
