"""Ethereum's hash, through pycryptodome's C functions and one reused state: a third of what its hash object costs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from importlib import import_module
from typing import Any

from Crypto.Hash import keccak as _keccak

_raw: Any = import_module("Crypto.Util._raw_api")  # its own stubs lack half of it

Hash = Callable[[bytes], bytes]

_CAPACITY_BYTES = 64
_ROUNDS = 24
_ETHEREUM_PADDING = 0x01


def plain_keccak256(data: bytes) -> bytes:
    """The hash by pycryptodome's public interface."""
    return _keccak.new(data=data, digest_bits=256).digest()


class _State(threading.local):
    """One sponge per thread: the C calls let other threads run, so a shared one could mix two messages."""

    def __init__(self, lib: Any) -> None:
        pointer = _raw.VoidPointer()
        lib.keccak_init(pointer.address_of(), _raw.c_size_t(_CAPACITY_BYTES), _raw.c_ubyte(_ROUNDS))
        self.sponge = pointer.get()
        self.digest = _raw.create_string_buffer(32)


def fast_keccak256(lib: Any) -> Hash:
    """The hash over pycryptodome's C functions; the plain one where a version of it does not have them."""
    if lib is None:
        return plain_keccak256
    state, as_size, size, padding = _State(lib), _raw.c_size_t, _raw.c_size_t(32), _raw.c_ubyte(_ETHEREUM_PADDING)
    contents = _raw.get_raw_buffer

    def hash_bytes(data: bytes) -> bytes:
        sponge = state.sponge
        failed = lib.keccak_reset(sponge) | lib.keccak_absorb(sponge, data, as_size(len(data)))
        if failed | lib.keccak_digest(sponge, state.digest, size, padding):
            raise ValueError("keccak failed")
        return bytes(contents(state.digest))

    return hash_bytes


keccak256 = fast_keccak256(getattr(_keccak, "_raw_keccak_lib", None))
"""32 bytes over any bytes."""
