"""The command line beside a worker that trades on loopback."""

from __future__ import annotations

import asyncio
import json

import forked


async def cli(rig, *args, code=0):
    """Run the command with the rig's configuration."""
    words = (*args, "-c", str(rig.folder / "config.yaml"))
    done = await asyncio.to_thread(forked.run, words, env=rig.environ, cwd=rig.folder)
    assert "Traceback" not in done.stderr, done.stderr
    assert done.returncode == code, done.stdout + done.stderr
    return done


async def document(rig, *args):
    return json.loads((await cli(rig, *args, "--json")).stdout)


async def test_what_a_worker_does_is_shown_while_it_runs_and_afterwards(rig):
    await rig.spawn()
    await rig.send(rig.trade("entry", "LONG", 0.1))
    await rig.settled("entry")
    await rig.send(rig.protect("STOP_LOSS", "stop", "SELL", 90000, 0.1), rig.trade("huge", "LONG", 25), "{broken")
    await rig.settled("stop", "huge")
    (huge, stop, entry) = (await document(rig, "actions"))["actions"]
    assert (entry["outcome"], stop["outcome"], huge["outcome"]) == ("executed", "resting", "refused")
    assert huge["reason"] == "MAX_ORDER_NOTIONAL"
    assert entry["legs"][0]["cloid"] == rig.entry_name("entry")
    (position,) = (await document(rig, "positions"))["positions"]
    assert (position["symbol"], position["size"], position["stop_px"]) == ("BTC", "0.1", "90000")
    text = (await cli(rig, "orders")).stdout
    assert "entry LONG" in text
    assert "stop for LONG" in text
    status = await document(rig, "status")
    assert (status["worker"]["stopped_at"], status["channels"][0]["state"]) == (None, "open")
    assert await rig.stop() == 0
    assert (await document(rig, "status"))["worker"]["stopped_at"]
    assert "malformed" not in (await cli(rig, "explain", "entry")).stdout


async def test_explain_is_a_story_with_everything_in_it(rig):
    await rig.spawn()
    await rig.send(rig.trade("a-1", "LONG", 0.1), rig.trade("huge", "LONG", 25))
    await rig.settled("a-1", "huge")
    assert await rig.stop() == 0
    text = (await cli(rig, "explain", "a-1")).stdout
    name = rig.entry_name("a-1")
    for word in (
        '"action_id":"a-1"',
        "LONG 0.1 BTC",
        "follow",
        "max_leverage",
        "shrink",
        name,
        "nonce",
        '"order"',
        "filled",
    ):
        assert word in text, word
    refused = (await cli(rig, "explain", "huge")).stdout
    assert "MAX_ORDER_NOTIONAL — The order is larger" in refused
    assert refused.rstrip().splitlines()[-1].strip().startswith("refused: MAX_ORDER_NOTIONAL")
    told = await document(rig, "explain", "a-1")
    assert told["accounts"][0]["legs"][0]["cloid"] == name
    by_key = await document(rig, "explain", told["key"])
    assert by_key["action_id"] == "a-1"
    assert "no action is called 'nothing'" in (await cli(rig, "explain", "nothing", code=1)).stderr


async def test_no_secret_is_ever_shown(rig):
    await rig.spawn()
    await rig.send(rig.trade("a-1", "LONG", 0.1))
    await rig.settled("a-1")
    assert await rig.stop() == 0
    secrets = [value for name, value in rig.environ.items() if name.startswith(("FRACTRADE", "HYPERLIQUID"))]
    assert len(secrets) == 4
    for args in (("doctor",), ("config", "show"), ("explain", "a-1"), ("journal", "--json"), ("export-frames",)):
        done = await cli(rig, *args)
        assert not [secret for secret in secrets if secret.removeprefix("0x") in done.stdout + done.stderr], args


async def test_a_running_worker_obeys_pause_resume_and_flatten(rig):
    await rig.spawn()
    await rig.send(rig.trade("first", "LONG", 0.1))
    await rig.settled("first")
    told = await document(rig, "pause", "--account", "main")
    assert (told["worker"], told["accounts"]) == (True, ["main"])
    await rig.send(rig.trade("paused", "LONG", 0.1))
    await rig.settled("paused")
    assert (rig.outcome("paused"), rig.reason("paused")) == ("refused", "PAUSED")
    assert "paused" in (await cli(rig, "status")).stdout
    assert "running worker" in (await cli(rig, "resume")).stdout
    await rig.send(rig.trade("resumed", "LONG", 0.1))
    await rig.settled("resumed")
    assert rig.outcome("resumed") == "executed"
    await cli(rig, "flatten", code=2)
    assert rig.size() > 0
    await cli(rig, "flatten", "--yes")
    await rig.until(lambda: rig.size() == 0)
    await rig.until(lambda: rig.events("FlattenDone"))
    assert (await document(rig, "status"))["accounts"][0]["latched"] is True
    assert await rig.stop() == 0


async def test_a_second_worker_is_refused_and_told_who_holds_the_lock(rig):
    worker = await rig.spawn()
    said = (await cli(rig, "run", "--live", "--duration", "1", code=4)).stderr
    assert str(worker.pid) in said
    assert "remedy:" in said
    assert await rig.stop() == 0


async def test_a_credential_refused_for_good_ends_with_3(rig):
    rig.sim.refuse_with = 403
    done = await cli(rig, "run", "--live", "--duration", "20", code=3)
    assert "403" in done.stderr
    assert done.stdout == ""


async def test_exported_frames_are_what_was_received(rig):
    await rig.spawn()
    frame = rig.trade("a-1", "LONG", 0.1)
    await rig.send(frame, "{broken")
    await rig.settled("a-1")
    assert await rig.stop() == 0
    lines = [json.loads(line) for line in (await cli(rig, "export-frames")).stdout.splitlines()]
    assert [json.loads(line["frame"]) for line in lines[:1]] == [frame]
    assert [line["frame"] for line in lines[1:]] == ["{broken"]
    assert set(lines[0]) >= {"received_at", "source", "channel", "frame"}
    await cli(rig, "export-frames", "--output", str(rig.folder / "frames.jsonl"), "--after", "1")
    assert len((rig.folder / "frames.jsonl").read_text().splitlines()) == 1
