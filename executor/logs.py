"""What the program says while it runs: structured, on stderr, and without a secret at any level.

Redaction is the last step before the text leaves, so it also covers tracebacks and the records of other
libraries (websockets logs whole handshakes at DEBUG).
"""

from __future__ import annotations

import contextlib
import io
import json
import logging
import os
import re
import select
import sys
import threading
from collections import deque
from collections.abc import Hashable, Mapping
from itertools import chain
from textwrap import indent
from types import TracebackType
from typing import Any, Literal, TextIO
from urllib.parse import quote, quote_plus

import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

MASK = "[redacted]"
_SHORTEST_SECRET = 4  # masking shorter ones would eat the log

TOKENS_KEPT = 8
"""A token that was replaced so often appears in no line any more, and each one that is known costs every frame."""

_SILENCED = ("hyperliquid", "eth_account", "urllib3")
"""The SDK and what it brings: it is used for its arithmetic, its sockets are ours."""

_CHATTY = ("asyncio", "websockets", "aiohttp")
"""Worth hearing, but what they say below WARNING is about bytes: it comes with our DEBUG."""

_PIECE = 1_000
"""Characters written at once: a pipe that says it takes something takes four thousand bytes."""

_PATIENCE_MS = 20
"""How long whoever reads the log is waited for, once; from then on lines are lost until it reads again."""

_PARTS = 3
"""A piece goes to a terminal in so many parts at most."""

_SENSITIVE = r"(?:api[_-]?key|secret|token|private[_-]?key|password|passphrase|mnemonic)"
_SENSITIVE_KEY = re.compile(rf"(?i){_SENSITIVE}$")
_QUOTE = r"(?:\\*[\"'])"  # however deep the document is quoted
_KEY_HEX = r"(?:private|secret|signer|key)"
_PATTERNS = (
    # name=value of a URL or a form
    re.compile(rf"(?i)({_SENSITIVE}=)[^&\s\"'#,)\]}}\\]+"),
    # "name": "value" of a document or a mapping, also where it stands quoted inside another
    re.compile(rf"(?i)({_SENSITIVE}{_QUOTE}?\s*[:=]\s*b?{_QUOTE})[^\"'\\]+"),
    # headers, as a line and as a pair: Authorization: Bearer x, X-API-Key: x
    re.compile(rf"(?i)(authorization{_QUOTE}?\s*[:=,]\s*{_QUOTE}?(?:(?:bearer|basic|token)\s+)?)[^\s\"',}}\\]+"),
    re.compile(r"(?i)(x-api-(?:key|secret)\s*:\s*)[^\s\"',}\\]+"),
    # a private key beside a word that says so; bounded, for text of a server's must not be looked through for seconds
    re.compile(rf"(?i)({_KEY_HEX}\w{{0,40}}{_QUOTE}?\s*(?:[:=]\s*)?{_QUOTE}?)(?:0x)?[0-9a-f]{{64}}\b"),
)


_TELLTALE = (
    "key",
    "secret",
    "token",
    "private",
    "password",
    "passphrase",
    "mnemonic",
    "authorization",
    "signer",
)
"""Without one of these words none of the patterns matches."""


class _Registry:
    """The secrets of this process and one pattern that finds any of them.

    ``kept`` stay for good. ``passing`` are by their owner those that replaced one another, oldest first.
    """

    def __init__(self) -> None:
        self.kept: set[str] = set()
        self.passing: dict[Hashable, deque[str]] = {}
        self.forms: set[str] = set()
        self.folded: tuple[str, ...] = ()
        self.pattern: re.Pattern[str] | None = None

    def add(self, text: str) -> None:
        if text not in self.kept:
            self.kept.add(text)
            self._compile()

    def replace(self, owner: Hashable, text: str) -> None:
        tokens = self.passing.setdefault(owner, deque(maxlen=TOKENS_KEPT))
        if text in tokens:
            tokens.remove(text)
        tokens.append(text)
        self._compile()

    def _compile(self) -> None:
        known = {*self.kept, *chain.from_iterable(self.passing.values())}
        self.forms = {form for text in known for form in _forms(text) if len(form) >= _SHORTEST_SECRET}
        longest_first = sorted(self.forms, key=len, reverse=True)
        self.folded = tuple({form.casefold() for form in self.forms})
        self.pattern = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if self.forms else None


_registry = _Registry()


def _forms(text: str) -> set[str]:
    """The text, and what URLs, JSON and Python make of it."""
    escaped = {json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], repr(text)[1:-1]}
    return {text, text.removeprefix("0x"), quote(text, safe=""), quote(text), quote_plus(text), *escaped}


def register_secret(text: str) -> None:
    """From now on this text, and what URLs, JSON and Python make of it, appears in no log line."""
    _registry.add(text)


def register_token(owner: Hashable, text: str) -> None:
    """The same for a token that replaces the owner's last one: only its newest ``TOKENS_KEPT`` are remembered."""
    _registry.replace(owner, text)


def redact(text: str) -> str:
    """The text without any registered secret and without what looks like one."""
    folded = text.casefold()  # plain searches tell in a microsecond that most lines need no pattern
    if _registry.pattern is not None and any(form in folded for form in _registry.folded):
        text = _registry.pattern.sub(MASK, text)
    if any(word in folded for word in _TELLTALE):
        for pattern in _PATTERNS:
            text = pattern.sub(rf"\g<1>{MASK}", text)
    return text


def without_secrets(frame: str | bytes) -> str | bytes:
    """A received frame as it may be kept: a server that repeats our credentials writes them into no record.

    The frame itself, to the byte, wherever it holds none; that costs about 2 microseconds.
    """
    text = frame if isinstance(frame, str) else frame.decode("utf-8", "surrogateescape")
    if _registry.pattern is None or not any(form in text for form in _registry.forms):
        return frame
    masked = _registry.pattern.sub(MASK, text)
    return masked if isinstance(frame, str) else masked.encode("utf-8", "surrogateescape")


def configure(
    level: str = "INFO", renderer: Literal["console", "json"] = "console", stream: TextIO | None = None
) -> None:
    """Sends every log line of the process, other libraries' and the last words of a crash too, redacted to stderr."""
    handler = _RedactingHandler(stream or _unwaiting(sys.stderr))
    handler.setFormatter(_formatter(renderer, handler.stream))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _SILENCED:
        logging.getLogger(name).setLevel(logging.CRITICAL + 1)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(logging.NOTSET if level == "DEBUG" else logging.WARNING)
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            *_shared(),
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
    )
    sys.excepthook = _log_crash
    threading.excepthook = sys.unraisablehook = _log_failure


def logger(name: str, **bound: Any) -> structlog.stdlib.BoundLogger:
    """A logger that says ``bound`` with every line; lines about an order bind action_id, account and cloid."""
    made: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name, **bound)
    return made


class LogNotifier:
    """The built-in notifier (entry point ``log``): tells people by the log."""

    _METHODS: Mapping[str, str] = {"info": "info", "warning": "warning", "alarm": "error"}

    def notify(self, level: str, title: str, body: str) -> None:
        """One log line; ``level`` is info, warning or alarm."""
        say = getattr(logger("executor.notify"), self._METHODS.get(level, "warning"))
        say(title, body=body, action="notify")


def _unwaiting(stream: TextIO) -> TextIO:
    """A terminal opened once more, so that writing never waits for it: it may be halted, or its connection dead."""
    try:
        again = os.open(os.ttyname(stream.fileno()), os.O_WRONLY | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return stream
    return io.TextIOWrapper(_Terminal(again, "w"), encoding=stream.encoding, errors="replace", write_through=True)


class _Terminal(io.FileIO):
    """Takes a part of what is written where it has room for no more: the rest follows when it was read, or never."""

    def write(self, data: Any) -> int:
        """All of it, in a few parts; raises ``BlockingIOError`` where nobody reads on."""
        rest, room = memoryview(data), _room_of(self)
        for _ in range(_PARTS):
            rest = rest[super().write(rest) or 0 :]
            if not rest:
                return len(data)
            if room is not None:
                room.poll(_PATIENCE_MS)
        raise BlockingIOError


def _room_of(stream: TextIO | io.FileIO) -> select.poll | None:
    """Tells whether the stream takes something; ``None`` for text kept in memory, which takes everything."""
    try:
        room = select.poll()
        room.register(stream.fileno(), select.POLLOUT)
    except OSError:
        return None
    return room


class _RedactingHandler(logging.StreamHandler[TextIO]):
    """Redacts the finished line: message, values and traceback alike.

    While nobody takes them lines are lost, and counted: a worker that waits for its log's reader sends no exits.
    """

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lost = 0
        self._cut = False
        self._room = _room_of(stream)

    def emit(self, record: logging.LogRecord) -> None:
        """Write the line, and before it how many were lost."""
        if self._lost and not (self._takes() and self._told_lost()):
            self._lost += 1
            return
        self._write(record)

    def _told_lost(self) -> bool:
        lost, self._lost = self._lost, 0
        told = {"name": __name__, "levelname": "WARNING", "msg": f"{lost} log lines were lost: nobody took them"}
        self._write(logging.makeLogRecord({**told, "levelno": logging.WARNING}))
        self._lost = lost if self._lost else 0
        return not self._lost

    def _write(self, record: logging.LogRecord) -> None:
        try:
            self._write_all(self.format(record) + self.terminator)
        except BlockingIOError:
            self._lost += 1
        except Exception:  # noqa: BLE001 as in the library: whatever is wrong with a line costs only that line
            self.handleError(record)

    def _write_all(self, line: str) -> None:
        text = self.terminator + line if self._cut else line  # what is left of a lost one stays a line by itself
        for start in range(0, len(text), _PIECE):
            if not self._takes():
                raise BlockingIOError
            self._cut = True
            self.stream.write(text[start : start + _PIECE])
            self.flush()
        self._cut = False

    def _takes(self) -> bool:
        """Whether a piece can be written without waiting."""
        return self._room is None or bool(self._room.poll(0 if self._lost else _PATIENCE_MS))

    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - the library's name
        """The library's own version would print the arguments, unredacted."""
        with contextlib.suppress(OSError, ValueError):
            self.stream.write(redact(f"a log line of {record.name} was lost: {sys.exc_info()[1]!r}\n"))


def _log_crash(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """An exception nobody caught; its traceback may quote a secret."""
    if issubclass(kind, KeyboardInterrupt):
        sys.__excepthook__(kind, error, trace)
        return
    logger("executor").critical("crashed", exc_info=(kind, error, trace))


def _log_failure(last: threading.ExceptHookArgs | sys.UnraisableHookArgs) -> None:
    """An exception in a thread of a plugin's own, or while something was thrown away: Python would print it raw."""
    error = last.exc_value or last.exc_type()
    logger("executor").error("something beside the worker failed", exc_info=(last.exc_type, error, last.exc_traceback))


def _shared() -> list[Processor]:
    """What is done to our lines and to other libraries' alike."""
    return [
        structlog.contextvars.merge_contextvars,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.PositionalArgumentsFormatter(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        _mask_keys,
    ]


def _mask_keys(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """Masks by key before colours come between a key and its value."""
    return {key: MASK if _SENSITIVE_KEY.search(key) else value for key, value in event.items()}


def _formatter(renderer: str, stream: TextIO) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=_shared(),
        processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_renderers(renderer, stream)],
    )


def _renderers(renderer: str, stream: TextIO) -> list[Processor]:
    if renderer == "json":
        return [structlog.processors.format_exc_info, structlog.processors.JSONRenderer(default=str)]
    return [_on_one_line, structlog.dev.ConsoleRenderer(colors=stream.isatty(), exception_formatter=_traceback)]


def _on_one_line(_logger: WrappedLogger, _method: str, event: EventDict) -> EventDict:
    """What came from outside neither moves the cursor nor makes a line of its own (JSON escapes it anyway)."""
    return {key: value if key in _RENDERED else _shown(value) for key, value in event.items()}


_RENDERED = ("exc_info", "exception", "stack")
"""Keys whose text has lines by right."""


def _shown(value: object) -> object:
    if isinstance(value, str):
        return _visible(value, keep="")
    text = repr(value)
    return value if text.isprintable() else _visible(text, keep="")


def _visible(text: str, keep: str) -> str:
    """The text with what a terminal would obey as escapes."""
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() or c in keep else c.encode("unicode_escape").decode() for c in text)


def _traceback(stream: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    """The plain traceback: the rich one prints local variables, and with them secrets nobody registered.

    It is indented, so that no text of an error can pass for a line of the log.
    """
    text = io.StringIO()
    structlog.dev.plain_traceback(text, exc_info)
    stream.write(indent(_visible(text.getvalue(), keep="\n"), "  "))
