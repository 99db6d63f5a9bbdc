"""Every exception of this program. Expected refusals are events, not exceptions.

ExecutorError
├── ConfigError            exit 2, carries the remedy
│   └── SecretError
├── CredentialRefused      exit 3
├── LockHeld               exit 4
├── LedgerError            exit 1
│   ├── LedgerTooNew
│   └── LedgerMismatch
├── StateFileError         exit 1
├── CannotListen           exit 1
├── VenueError             a read that failed; orders never raise
│   ├── VenueUnavailable
│   │   └── KeptBack
│   └── VenueAnswerOdd
├── SignerRefused          nothing left; recorded as an event of that name
└── PluginError
"""

from __future__ import annotations


class ExecutorError(Exception):
    """The root. ``remedy`` tells the user what to do; ``exit_code`` is the process's."""

    exit_code = 1

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy

    def __str__(self) -> str:
        return f"{self.message}\n  remedy: {self.remedy}" if self.remedy else self.message


class ConfigError(ExecutorError):
    """The configuration cannot be used."""

    exit_code = 2


class SecretError(ConfigError):
    """A referenced secret could not be read."""


class CredentialRefused(ExecutorError):
    """A server refused our credentials for good."""

    exit_code = 3


class LockHeld(ExecutorError):
    """Another worker holds a lock this one needs."""

    exit_code = 4


class LedgerError(ExecutorError):
    """The ledger cannot be used."""


class LedgerTooNew(LedgerError):
    """A newer version of this program wrote the ledger."""


class LedgerMismatch(LedgerError):
    """The ledger belongs to another mode, network or address."""


class StateFileError(ExecutorError):
    """The paper exchange's state file cannot be used."""


class CannotListen(ExecutorError):
    """The paper exchange or a simulator has no address to serve on."""

    def __init__(self, host: str, port: int, error: OSError) -> None:
        why = error.strerror or str(error)
        remedy = "choose another --port (in dry-run paper.port), or 0; --host is an address of this machine"
        super().__init__(f"cannot serve on {host}:{port}: {why}", remedy)


class VenueError(ExecutorError):
    """A read from the venue failed."""


class VenueUnavailable(VenueError):
    """The venue could not be reached, or answered 429 or 5xx."""


class KeptBack(VenueUnavailable):
    """The read was not made: our own rate budget is short, and what it has left is for orders."""


class VenueAnswerOdd(VenueError):
    """The venue answered something that does not have the documented shape."""


class SignerRefused(ExecutorError):
    """The signer does not sign this, by its own policy: ``rule`` says which part, ``code`` is the reason code."""

    def __init__(self, rule: str, text: str, code: str) -> None:
        super().__init__(text)
        self.rule = rule
        self.code = code


class PluginError(ExecutorError):
    """A plugin could not be loaded."""

    exit_code = 2
