"""Whose ledger it is: mode, network and account addresses, written into the file and compared at each start."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import orjson

from executor.errors import LedgerMismatch

_REMEDY = (
    "a ledger belongs to one mode, one network and its accounts; name another one in ledger.path, "
    "or set the configuration back to what this one was made with"
)


@dataclass(frozen=True, slots=True)
class Stamp:
    """``addresses`` gives the address of each account by its configured name."""

    mode: str
    network: str
    addresses: Mapping[str, str]

    def joined(self, written: Stamp) -> Stamp:
        """The stamp to keep when a ledger that says ``written`` is opened; raises ``LedgerMismatch``.

        Accounts may come and go. One that stays must keep its address, and an address its name: the events are
        filed by name, and the past of one account must never be taken for that of another.
        """
        self._must_equal("mode", self.mode, written.mode)
        self._must_equal("network", self.network, written.network)
        names = {address.lower(): name for name, address in written.addresses.items()}
        for name, address in self.addresses.items():
            self._must_equal(f"the address of account {name}", address.lower(), _old(written, name, address))
            self._must_equal(f"the name of account {address.lower()}", name, names.get(address.lower(), name))
        return Stamp(self.mode, self.network, {**written.addresses, **self.addresses})

    @staticmethod
    def _must_equal(what: str, now: str, written: str) -> None:
        if now != written:
            raise LedgerMismatch(f"written with another setting: {what} was {written}, is {now}", _REMEDY)

    def rows(self) -> list[tuple[str, str]]:
        """The stamp as rows of the meta table."""
        addresses = {name: address.lower() for name, address in self.addresses.items()}
        return [("mode", self.mode), ("network", self.network), ("addresses", orjson.dumps(addresses).decode())]

    @classmethod
    def of(cls, meta: Mapping[str, str]) -> Stamp:
        """The stamp in a meta table's rows."""
        return cls(meta["mode"], meta["network"], orjson.loads(meta["addresses"]))


def _old(written: Stamp, name: str, address: str) -> str:
    return written.addresses.get(name, address).lower()
