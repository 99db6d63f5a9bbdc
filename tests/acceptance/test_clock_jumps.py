"""The machine's clock jumps while the worker runs and across its restart: time is the venue's, so nothing changes."""

from __future__ import annotations

import pytest

from executor.app.identity import traders
from executor.app.runtime import Runtime
from executor.clock import SystemClock, iso

HOUR_MS = 3_600_000
DAY_MS = 24 * HOUR_MS
JUMPS_MS = (HOUR_MS, -HOUR_MS, 25 * HOUR_MS, -49 * HOUR_MS)


class JumpingClock(SystemClock):
    """The machine's clock as NTP or a person sets it off; its monotonic time goes on."""

    off_ms = 0

    def now_ms(self):
        return super().now_ms() + self.off_ms


def _unstamped(frame):
    return {name: value for name, value in frame.items() if name != "created_at"}


async def _trades(rig, name):
    """A stamped and an unstamped entry go, one that ended a minute ago does not, and an exit goes whatever its age."""
    old = iso(rig.clock.now_ms() - 60_000)
    await rig.send(
        rig.trade(f"{name}-in", "LONG", 0.2),
        _unstamped(rig.trade(f"{name}-unstamped", "LONG", 1, "ETH")),
        rig.trade(f"{name}-old", "LONG", 5, "SOL", created_at=old),
    )
    await rig.settled(f"{name}-in", f"{name}-unstamped")
    await rig.send(
        rig.trade(f"{name}-out", "SHORT", 0.2),
        _unstamped(rig.trade(f"{name}-unstamped-out", "SHORT", 1, "ETH")),
    )
    names = [f"{name}-{part}" for part in ("in", "unstamped", "out", "unstamped-out")]
    await rig.settled(*names, f"{name}-old")
    assert {one: rig.outcome(one) for one in names} == dict.fromkeys(names, "executed")
    assert (rig.outcome(f"{name}-old"), rig.reason(f"{name}-old")) == ("refused", "STALE")
    await rig.until(lambda: rig.size("BTC") == rig.size("ETH") == 0)


async def _life(rig, clock, *names, jump_ms=0):
    loaded = rig.loaded()
    async with Runtime(loaded, traders(loaded), clock=clock) as runtime:
        runtime.listen()
        await rig.until(lambda: runtime.ready() and rig.sim.clients)
        for at, name in enumerate(names):
            clock.off_ms += jump_ms if at else 0
            await _trades(rig, name)
    await rig.sim.wait_disconnected()


@pytest.mark.parametrize("rig", [1], indirect=True)
@pytest.mark.parametrize("jump_ms", JUMPS_MS)
async def test_a_jump_of_the_clock_refuses_no_entry_wrongly_and_keeps_nonces_in_the_venues_window(rig, jump_ms):
    rig.configure(sources=[rig.source(after_gap="continue")])
    clock = JumpingClock()
    await _life(rig, clock)  # after a clean end a frame without a stamp needs no proof that it is new
    await _life(rig, clock, "before", "after", jump_ms=jump_ms)
    await _life(rig, clock, "restarted", "back", jump_ms=-jump_ms)
    nonces = [body["nonce"] for body in rig.exchange.reached]
    assert len(nonces) == len(set(nonces))
    assert nonces == sorted(nonces)
    now_ms = rig.clock.now_ms()
    assert all(now_ms - 2 * DAY_MS < nonce < now_ms + DAY_MS for nonce in nonces)
    assert all(body["expiresAfter"] <= now_ms + 10_000 for body in rig.exchange.reached)
