"""A network in memory: connections with delays, and with everything that goes wrong between two machines.

Bytes of one connection arrive in order, as TCP promises, later by what ``Weather`` says. A connection may be reset,
may lose one direction (half-open), may be refused, or may never be answered at all.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from executor.testing.virtual_loop import LIFE, VirtualLoop


@dataclass(slots=True)
class Weather:
    """How the network is now; ``chance`` gives numbers in [0, 1). Delays in seconds, one way; ``slow`` multiplies them.

    ``refused`` and ``dark`` are ports: connections to the first are refused, those to the second are never answered
    and what is open to them carries nothing (half-open).
    """

    chance: Callable[[], float]
    least_s: float = 0.001
    most_s: float = 0.02
    slow: float = 1.0
    refused: set[int] = field(default_factory=set)
    dark: set[int] = field(default_factory=set)

    def delay_s(self) -> float:
        """How long the next bytes are under way."""
        return (self.least_s + (self.most_s - self.least_s) * self.chance()) * self.slow


class Address:
    """What aiohttp asks of a listening socket."""

    def __init__(self, host: str, port: int) -> None:
        self._name = (host, port)

    def getsockname(self) -> tuple[str, int]:
        """Host and port."""
        return self._name


class Listener(asyncio.AbstractServer):
    """One listening port."""

    def __init__(self, network: Network, make: Callable[[], asyncio.Protocol], host: str, port: int) -> None:
        self.make = make
        self.context = contextvars.copy_context()
        self.sockets = (Address(host, port),)
        self._network = network
        self._port = port

    def get_loop(self) -> asyncio.AbstractEventLoop:
        """The loop it belongs to."""
        return self._network.loop

    async def start_serving(self) -> None:
        """It does from the start."""

    async def serve_forever(self) -> None:
        """Until cancelled."""
        await asyncio.Event().wait()

    def close(self) -> None:
        """Stop listening; open connections go on."""
        self._network.listeners.pop(self._port, None)

    async def wait_closed(self) -> None:
        """Nothing to wait for."""

    def is_serving(self) -> bool:
        """Whether it still listens."""
        return self._network.listeners.get(self._port) is self


class Wire(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, network: Network, port: int, own: int, peer: int, context: contextvars.Context) -> None:
        super().__init__({"peername": ("127.0.0.1", peer), "sockname": ("127.0.0.1", own), "socket": None})
        self.port = port
        self.context = context
        self.life: int = context.get(LIFE, 0)
        self.protocol: Any = None
        self.peer: Wire
        self._network = network
        self._loop = network.loop
        self._next_s = 0.0
        self._closing = False
        self._lost = False
        self._reading = True
        self._held: list[bytes | None] = []

    # -- what a protocol calls -----------------------------------------------------------------------------------

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Send bytes: they arrive later, in order, or never."""
        if self._closing or not data:
            return
        self._send(bytes(data))

    def writelines(self, list_of_data: Any) -> None:
        """Send several pieces as one."""
        self.write(b"".join(list_of_data))

    def _send(self, data: bytes | None) -> None:
        if self._network.is_dark(self.port):
            return
        self._next_s = max(self._next_s, self._loop.time() + self._network.weather.delay_s())
        self._loop.call_at(self._next_s, self.peer.arrive, data, context=self.peer.context)

    def close(self) -> None:
        """Say goodbye after what was written."""
        if not self._closing:
            self._closing = True
            self._send(None)
            self._loop.call_soon(self._end, None, context=self.context)

    def abort(self) -> None:
        """Reset: both ends lose it, and what is under way is lost too."""
        if self._lost:
            return
        self._closing = True
        self._loop.call_soon(self._end, None, context=self.context)
        if not self._network.is_dark(self.port):
            at_s = self._loop.time() + self._network.weather.delay_s()
            self._loop.call_at(at_s, self.peer.reset, context=self.peer.context)

    def is_closing(self) -> bool:
        """Whether nothing can be written any more."""
        return self._closing

    def pause_reading(self) -> None:
        """Hold what arrives."""
        self._reading = False

    def resume_reading(self) -> None:
        """Hand over what was held."""
        self._reading = True
        if self._held:
            self._loop.call_soon(self._hand_over, context=self.context)

    def is_reading(self) -> bool:
        """Whether what arrives is handed over."""
        return self._reading and not self._closing

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        """Another reader for what comes."""
        self.protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        """Who reads."""
        protocol: asyncio.BaseProtocol = self.protocol
        return protocol

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """The network takes everything at once."""

    def get_write_buffer_size(self) -> int:
        """Nothing waits here."""
        return 0

    def can_write_eof(self) -> bool:
        """Half-closing is not offered."""
        return False

    # -- what the network calls ----------------------------------------------------------------------------------

    def arrive(self, data: bytes | None) -> None:
        """Bytes, or the end of them."""
        if self._lost:
            return
        self._held.append(data)
        self._hand_over()

    def _hand_over(self) -> None:
        while self._held and self._reading and not self._lost:
            data = self._held.pop(0)
            if data is not None:
                if not self._closing:
                    self.protocol.data_received(data)
            elif not self.protocol.eof_received():
                self.close()

    def reset(self) -> None:
        """The other end is gone without a word."""
        self._closing = True
        self._end(ConnectionResetError("reset"))

    def vanish(self) -> None:
        """The machine of this end is gone: nobody here is told."""
        self._closing = self._lost = True

    def _end(self, error: Exception | None) -> None:
        if not self._lost:
            self._lost = True
            self._network.wires.pop(self, None)
            self.protocol.connection_lost(error)


class Network:
    """All listeners and connections of one world."""

    def __init__(self, loop: VirtualLoop, weather: Weather) -> None:
        self.loop = loop
        self.weather = weather
        self.listeners: dict[int, Listener] = {}
        self.wires: dict[Wire, None] = {}
        self._ports = itertools.count(20_000)
        loop.wires = self

    def is_dark(self, port: int) -> bool:
        """Whether nothing gets through to or from this port."""
        return port in self.weather.dark

    def listen(self, make: Callable[[], asyncio.Protocol], host: str, port: int) -> Listener:
        """Serve on a port, a free one for 0."""
        port = port or next(self._ports)
        listener = self.listeners[port] = Listener(self, make, host, port)
        return listener

    async def reach(self, _host: str, port: int) -> None:
        """The time of a handshake; ``OSError`` where nobody answers it. All hosts are one: ports tell them apart."""
        if self.is_dark(port):
            await asyncio.sleep(120)
            raise TimeoutError("no answer to the handshake")
        await asyncio.sleep(self.weather.delay_s())
        if port in self.weather.refused or port not in self.listeners:
            raise ConnectionRefusedError(f"nobody listens on {port}")

    async def dial(self, make: Callable[[], asyncio.Protocol], host: str, port: int) -> tuple[Wire, asyncio.Protocol]:
        """Connect two ends and their protocols."""
        await self.reach(host, port)
        listener, own = self.listeners[port], next(self._ports)
        near = Wire(self, port, own, port, contextvars.copy_context())
        far = Wire(self, port, port, own, listener.context.copy())
        near.peer, far.peer = far, near
        near.protocol = make()
        self.wires |= {near: None, far: None}
        self.loop.call_soon(self._accept, far, listener, context=far.context)
        near.protocol.connection_made(near)
        return near, near.protocol

    def _accept(self, far: Wire, listener: Listener) -> None:
        far.protocol = listener.make()
        far.protocol.connection_made(far)

    # -- what goes wrong ------------------------------------------------------------------------------------------

    def reset(self, port: int) -> None:
        """Reset every connection to a port, as an upgrade of the other side does."""
        for wire in [wire for wire in self.wires if wire.port == port]:
            wire.abort()

    def kill(self, life: int) -> None:
        """A process ended: its kernel resets whatever it had open; bytes under way still arrive."""
        for wire in [wire for wire in self.wires if wire.life == life]:
            wire.abort()
            wire.vanish()
            self.wires.pop(wire, None)
