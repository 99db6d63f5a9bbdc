"""listening.py: what a source says of its channels, as people may see it."""

from __future__ import annotations

from typing import Any

from executor import logs
from executor.app.listening import Listener
from executor.ports import ChannelState
from executor.testing import ManualClock


class Telling:
    """A stranger's source that quotes what it was given."""

    name = "one"

    def channels(self) -> tuple[ChannelState, ...]:
        return (ChannelState("c", "closed", 1, 2, "GET /?k=canary-listening-1", "check canary-listening-1"),)


def test_what_a_source_says_of_its_channels_holds_no_secret() -> None:
    logs.register_secret("canary-listening-1")
    nobody: Any = None
    telling: Any = Telling
    (channel,) = Listener("one", telling, nobody, ManualClock(), lambda: 0.0).channels()
    assert (channel.detail, channel.remedy) == ("GET /?k=[redacted]", "check [redacted]")
    assert (channel.name, channel.state, channel.last_frame_at_ms, channel.attempts) == ("c", "closed", 1, 2)
