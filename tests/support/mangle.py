"""Turns good frames into bad ones, the same way for the same seed: by the byte, by the field, and whole (A5.3)."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Callable, Iterator
from random import Random  # noqa: TID251 - seeded, printed with every failure
from typing import Any

Tree = Any
DEEP = 10_000
LONG_TEXT = 4 << 20

TOKENS = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e999",
    b"-1e999",
    b"1e-999",
    b"-0",
    b"00",
    b"0x1",
    b"1.",
    b".5",
    b"+1",
    b"true",
    b"null",
    b"\xef\xbb\xbf",
    b"\xff\xfe",
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\x00",
    b"\x1f",
    b"\\ud800",
    b"\\u0000",
    b"\\",
    b'"',
    b"{",
    b"}",
    b"[",
    b"]",
    b",",
    b":",
    b"//",
    b"\n",
    b"9" * 400,
    b"-",
    b"e",
    b"'",
    "\u2028".encode(),
)
"""Bytes that mean something to a parser."""

ODD_VALUES: tuple[str, ...] = (
    "null",
    "true",
    "false",
    "0",
    "-0",
    "-1",
    "1",
    "-1e-9",
    "1e-30",
    "1e30",
    "1e308",
    "1e999",
    "-1e999",
    "NaN",
    "Infinity",
    "-Infinity",
    "9" * 400,
    "0." + "0" * 400 + "1",
    "1.7976931348623157e309",
    "18446744073709551616",
    "[]",
    "{}",
    "[1]",
    '{"a":1}',
    '""',
    '" "',
    '"0"',
    '"-1"',
    '"NaN"',
    '"Infinity"',
    '"1e999"',
    '"1_000"',
    '"0x10"',
    '"\u0661"',
    '"\\ud800"',
    '"\\u0000"',
    '"\\u202e"',
    '"<script>"',
    '"../../etc"',
    '"%s%n"',
    '"' + "x" * 5_000 + '"',
    "[" * 50 + "]" * 50,
)
"""What a field may hold instead, as it is written."""


class Mangler:
    """``next`` gives one bad frame made of one of ``frames``; some are good by luck."""

    def __init__(self, seed: int, frames: tuple[str, ...], heavy: float = 0.004) -> None:
        self.random = Random(seed)
        self._frames = frames
        self._trees = [json.loads(frame) for frame in frames]
        self._heavy = heavy
        self._kinds: tuple[Callable[[], bytes], ...] = (
            self._bytes,
            self._bytes,
            self._bytes,
            self._fields,
            self._fields,
            self._fields,
            self._fields,
            self._whole,
            self._keys,
            self._splice,
        )

    def next(self) -> bytes:
        """One frame."""
        if self.random.random() < self._heavy:
            return self.random.choice(HEAVY)(self._base())
        return self.random.choice(self._kinds)()

    def many(self, count: int) -> Iterator[bytes]:
        """So many."""
        return (self.next() for _ in range(count))

    def _base(self) -> bytes:
        return self.random.choice(self._frames).encode()

    # -- by the byte ----------------------------------------------------------------------------------------------

    def _bytes(self) -> bytes:
        data = bytearray(self._base())
        for _ in range(self.random.choice((1, 1, 1, 2, 3, 8))):
            if data:
                self.random.choice(_BYTE_CHANGES)(self.random, data)
        return bytes(data)

    def _splice(self) -> bytes:
        one, other = self._base(), self._base()
        return one[: self.random.randrange(len(one) + 1)] + other[self.random.randrange(len(other) + 1) :]

    # -- by the field ---------------------------------------------------------------------------------------------

    def _fields(self) -> bytes:
        return self.with_value(self.random.choice(self._trees), self.random.choice(ODD_VALUES))

    def with_value(self, tree: Tree, written: str) -> bytes:
        """The tree with one value, anywhere, written so instead."""
        return _written(tree, self.random.choice(list(_paths(tree))), written).encode("utf-8", "surrogatepass")

    def _keys(self) -> bytes:
        """A key that is missing, written otherwise, there twice, or one nobody knows."""
        text = json.dumps(self.random.choice(self._trees))
        keys = sorted({part for part in text.split('"')[1::2] if f'"{part}":' in text})
        key = self.random.choice(keys)
        other = self.random.choice((key.upper(), key.lower(), key + " ", "", "\\u0000", "__proto__", key * 2))
        changed = (f'"{other}":', f'"{key}":1,"{key}":', f'"{key}":null,"{key}":', f'"{other}":{{}},"{key}":')
        return text.replace(f'"{key}":', self.random.choice(changed), 1).encode()

    # -- whole ----------------------------------------------------------------------------------------------------

    def _whole(self) -> bytes:
        base = self._base()
        cut = self.random.randrange(1, len(base))
        return self.random.choice(
            (
                b"",
                b" ",
                b"null",
                b"[]",
                b"{}",
                b"17",
                b'""',
                b"[" + base + b"]",
                base + base,
                base + b"\n" + base,
                base[:cut],
                base[cut:],
                b"\xef\xbb\xbf" + base,
                base + b"\x00",
                base.decode().encode("utf-16"),
                base.decode().encode("utf-32"),
                base.lower(),
                base.upper(),
                base.swapcase(),
                gzip.compress(base, mtime=0),
                zlib.compress(base),
                self.random.randbytes(200),
                b'{"type":"ACTION","data":' + base + b"}",
                b"[" * 200,
                b'{"a":' * 200,
                base.replace(b'"', b"'"),
                base.replace(b":", b"=>"),
                b"[" * 200 + b"]" * 200,
            )
        )


def _written(tree: Tree, path: tuple[Any, ...], written: str) -> str:
    mark = "\x00mark\x00"
    return json.dumps(_replaced(tree, path, mark)).replace(json.dumps(mark), written)


def _paths(tree: Tree, at: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    yield at
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else ()
    for key, value in items:
        yield from _paths(value, (*at, key))


def _replaced(tree: Tree, path: tuple[Any, ...], value: Any) -> Tree:
    if not path:
        return value
    copy = dict(tree) if isinstance(tree, dict) else list(tree)
    copy[path[0]] = _replaced(tree[path[0]], path[1:], value)
    return copy


def _flip(random: Random, data: bytearray) -> None:
    data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def _set(random: Random, data: bytearray) -> None:
    data[random.randrange(len(data))] = random.randrange(256)


def _cut(random: Random, data: bytearray) -> None:
    at = random.randrange(len(data))
    del data[at : at + random.choice((1, 1, 2, 5, 20))]


def _repeat(random: Random, data: bytearray) -> None:
    at = random.randrange(len(data))
    data[at:at] = data[at : at + random.choice((1, 2, 5, 20))]


def _token(random: Random, data: bytearray) -> None:
    at = random.randrange(len(data) + 1)
    data[at : at + random.choice((0, 0, 1, 3))] = random.choice(TOKENS)


def _digit(random: Random, data: bytearray) -> None:
    digits = [at for at, byte in enumerate(data) if 48 <= byte <= 57]
    if digits:
        data[random.choice(digits)] = random.choice(b"0123456789-.eE")


_BYTE_CHANGES = (_flip, _set, _cut, _repeat, _token, _digit)


def _long_text(base: bytes) -> bytes:
    return base.replace(b'"', b'"' + b"x" * LONG_TEXT, 1)


def _deep_lists(base: bytes) -> bytes:
    return base.replace(b":", b":" + b"[" * DEEP + b"]" * DEEP + b',"z":', 1)


def _deep_objects(base: bytes) -> bytes:
    return b'{"a":' * DEEP + base + b"}" * DEEP


def _many_keys(base: bytes) -> bytes:
    return base[:-1] + b"," + b",".join(b'"k%d":%d' % (n, n) for n in range(20_000)) + b"}"


def _many_digits(base: bytes) -> bytes:
    return base.replace(b":", b":" + b"9" * 100_000 + b',"z":', 1)


_BOMB = gzip.compress(b" " * (16 << 20), mtime=0)

HEAVY: tuple[Callable[[bytes], bytes], ...] = (
    _long_text,
    _deep_lists,
    _deep_objects,
    _many_keys,
    _many_digits,
    lambda _base: _BOMB,
    lambda base: base * 3_000,
)
"""Frames that are large, deep or hold much."""
