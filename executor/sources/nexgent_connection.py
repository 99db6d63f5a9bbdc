"""One agent's Nexgent socket: a good token for each attempt, each end judged by its reason, and a way to let go of it.

Facts: signal-protocols.md sections 2.2 (close matrix), 2.5 (traps), 2.6 (pace of seed 002: 5 s times 1.5 to the n).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from executor.backoff import Server
from executor.clock import Clock
from executor.errors import CredentialRefused
from executor.sources.connection import Connection, Endpoint, Item, Timing
from executor.sources.nexgent_session import Session, Unreachable
from executor.sources.reconnect import Retry, Stop, Verdict

TAKEN_OVER = "New connection established"
_NO_TOKEN = ("Authentication failed", "Missing authentication")
_AGENT = "check the agent's id, and that it belongs to the user these credentials are of; then restart"
_TAKEN_OVER = "something else listens to this agent with the same account: Nexgent allows one connection an agent"
_TOKEN = "set tokens of a new login, or email_env and password_env; then restart"  # noqa: S105  # words for people


@dataclass(frozen=True, slots=True)
class Pace:
    """How soon to come back: ``interval_s`` times 1.5 to the n for ``attempts`` attempts, then every ``rest_s``.

    Who was taken over waits ``taken_over_s``: two clients that both come back at once would only throw each other out.
    """

    interval_s: float = 5.0
    attempts: int = 5
    rest_s: float = 60.0
    taken_over_s: float = 300.0

    def delay_s(self, failures: int) -> float:
        """The pause after this many failures in a row, the first being 1."""
        return self.rest_s if failures > self.attempts else min(self.interval_s * 1.5 ** (failures - 1), self.rest_s)


def judge_end(verdict: Verdict, *, let_go: bool, renewable: bool) -> Verdict:
    """What the end of a Nexgent connection means, given what it means in general.

    ``let_go`` is set when we closed a socket that had fallen silent, ``renewable`` when another token may be had.
    """
    if let_go:
        return Retry("MUTE", "no server ping: this socket had lost its events; closed, and connecting again")
    if verdict.code == 401 or (verdict.code == 1008 and verdict.detail in _NO_TOKEN):
        told = verdict.detail or "token refused"
        return Retry("UNAUTHORIZED", told, code=verdict.code) if renewable else _stop("UNAUTHORIZED", verdict, _TOKEN)
    if verdict.code == 1008:
        return _stop("AGENT_NOT_FOUND", verdict, _AGENT)
    if isinstance(verdict, Retry) and verdict.code == 1000 and verdict.detail == TAKEN_OVER:
        return replace(verdict, reason="TAKEN_OVER", remedy=_TAKEN_OVER)
    return verdict


def _stop(reason: str, verdict: Verdict, remedy: str) -> Stop:
    return Stop(reason, verdict.detail, remedy, verdict.code)


class AgentConnection(Connection):
    """A ``Connection`` whose address is made anew for every attempt. ``address`` is the ws(s) URL without a query."""

    def __init__(
        self,
        address: str,
        agent_id: str,
        session: Session,
        clock: Clock,
        jitter: Callable[[], float],
        pace: Pace,
        server: Server,
        timing: Timing | None = None,
    ) -> None:
        super().__init__(Endpoint(f"agent:{agent_id}", address), clock, jitter, timing or Timing(), server=server)
        self._address = address
        self._agent_id = agent_id
        self._tokens = session
        self._pace = pace
        self._failures = 0
        self._token = ""
        self._denied = False
        self._let_go = False

    def accepted(self) -> None:
        """The server said ``connected``: this token is good."""
        self._denied = False
        self._tokens.accepted(self._token)

    def settled(self) -> None:
        """The connection has lasted: the next trouble is a new one."""
        self._failures = 0

    async def let_go(self) -> None:
        """Close the socket in order and wait for the close; a new one is opened after the usual pause.

        Never the other way round: a second connection while the first is open leaves the second one mute.
        """
        if self._socket is not None:
            self._let_go = True
            await self._socket.close()

    async def _session(self, deliver: Callable[[Item], None]) -> Verdict:
        try:
            self._token = token = await self._tokens.token()
        except CredentialRefused as refusal:
            return Stop("UNAUTHORIZED", refusal.message, refusal.remedy)
        except Unreachable as fault:
            return self._paced(Retry("TOKEN_UNREACHABLE", fault.message, fault.wait_s))
        query = urlencode({"token": token, "agentId": self._agent_id})
        secrets = (token, *self._tokens.secrets)
        self._endpoint = Endpoint(f"agent:{self._agent_id}", f"{self._address}?{query}", secrets=secrets)
        self._let_go = False
        return self._judged(await super()._session(deliver), token)

    def _judged(self, found: Verdict, token: str) -> Verdict:
        renewable = self._tokens.renewable and not self._denied
        verdict = judge_end(found, let_go=self._let_go, renewable=renewable)
        if isinstance(verdict, Retry) and verdict.reason == "UNAUTHORIZED":  # once more, with another token
            self._denied = True
            self._tokens.spoiled(token)
            return verdict
        return self._paced(verdict)

    def _paced(self, verdict: Verdict) -> Verdict:
        if isinstance(verdict, Stop):
            return verdict
        if verdict.reason == "TAKEN_OVER":
            return replace(verdict, at_least_s=self._pace.taken_over_s)
        self._failures += 1
        return replace(verdict, at_least_s=max(verdict.at_least_s, self._pace.delay_s(self._failures)))
