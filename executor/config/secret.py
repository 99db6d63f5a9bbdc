"""References to secrets, and the one function that reads what they refer to.

A configuration never holds a secret, only where it lies: ``*_env``, ``*_file`` or ``*_cmd`` (contract.md,
Configuration). Nothing is read before the program asks, so dry-run never touches the account's key.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from pydantic import SecretStr

from executor.errors import SecretError

KINDS: tuple[Literal["env", "file", "cmd"], ...] = ("env", "file", "cmd")
COMMAND_TIMEOUT_S = 20

_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_PRIVATE_KEY = re.compile(r"(0x)?[0-9a-fA-F]{64}")


def looks_like_variable(name: str) -> bool:
    """Whether this can be a variable's name: false for what is more likely the secret itself."""
    return bool(_VARIABLE.fullmatch(name)) and not _PRIVATE_KEY.fullmatch(name)


@dataclass(frozen=True, slots=True)
class SecretRef:
    """Where one secret lies. ``key`` is the config key that says so, for messages."""

    key: str
    kind: Literal["env", "file", "cmd"]
    target: str

    def __str__(self) -> str:
        return f"{self.key}: {self.shown}"

    __repr__ = __str__

    @property
    def shown(self) -> str:
        """The reference as outputs may show it: of a command only its first word, and no key that stands for one."""
        if _PRIVATE_KEY.fullmatch(self.target):
            return "***"
        first, *rest = self.target.split(maxsplit=1) or [""]
        return f"{first} …" if self.kind == "cmd" and rest else self.target


def read_secret(ref: SecretRef, environ: Mapping[str, str], base: Path) -> SecretStr:
    """The secret itself, without the white space around it.

    ``environ`` is the environment with the ``.env`` file below it; relative files start at ``base``. Raises
    SecretError, which names the reference and the remedy and never a part of the secret.
    """
    value = _READERS[ref.kind](ref, environ, base).strip()
    if not value:
        raise SecretError(f"{ref}: there is nothing in it", _REMEDIES[ref.kind].format(target=ref.shown))
    return SecretStr(value)


def _from_env(ref: SecretRef, environ: Mapping[str, str], _base: Path) -> str:
    return environ.get(ref.target, "")


def _from_file(ref: SecretRef, _environ: Mapping[str, str], base: Path) -> str:
    try:
        return (base / Path(ref.target).expanduser()).read_text(encoding="utf-8-sig")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise SecretError(f"{ref}: cannot be read: {reason}", _REMEDIES["file"].format(target=ref.shown)) from None


def _from_cmd(ref: SecretRef, environ: Mapping[str, str], base: Path) -> str:
    remedy = _REMEDIES["cmd"].format(target=ref.shown)
    try:
        done = subprocess.run(  # noqa: S603 - running the user's own command is what *_cmd is for; no shell
            shlex.split(ref.target),
            cwd=base,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=COMMAND_TIMEOUT_S,
            check=True,
            text=True,
        )
    except subprocess.CalledProcessError as error:
        raise SecretError(f"{ref}: the command ended with {error.returncode}", remedy) from None
    except subprocess.TimeoutExpired:
        raise SecretError(f"{ref}: the command took more than {COMMAND_TIMEOUT_S} s", remedy) from None
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or "not a command line"
        raise SecretError(f"{ref}: the command could not be run: {reason}", remedy) from None
    return done.stdout


_READERS = {"env": _from_env, "file": _from_file, "cmd": _from_cmd}
_REMEDIES = {
    "env": "set {target} in the environment, or in the .env file beside the config",
    "file": "write the secret to {target}, readable by you alone",
    "cmd": "run it by hand; it must print the secret and nothing else: {target}",
}
