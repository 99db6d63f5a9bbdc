import io
import json
import logging
import os
import pty
import select
import sys
import threading
import time
from contextlib import redirect_stderr
from urllib.parse import quote_plus

import pytest
import structlog

from executor import logs

CANARY = 'canary/4711+"ü"'
KEY = "0x" + "c0ffee00" * 8


class Terminal(io.StringIO):
    def isatty(self):
        return True


@pytest.fixture(autouse=True)
def restored():
    """Logging is one per process: put back what was there."""
    root, hooks = logging.getLogger(), (sys.excepthook, sys.unraisablehook, threading.excepthook)
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    sys.excepthook, sys.unraisablehook, threading.excepthook = hooks
    root.setLevel(level)
    structlog.reset_defaults()


@pytest.fixture(params=["console", "json", "terminal"])
def stream(request):
    out = Terminal() if request.param == "terminal" else io.StringIO()
    logs.configure("DEBUG", "json" if request.param == "json" else "console", out)
    return out


@pytest.fixture
def json_stream():
    out = io.StringIO()
    logs.configure("INFO", "json", out)
    return out


def test_of_tokens_that_replace_one_another_the_newest_are_hidden_and_what_was_registered_for_good():
    logs.register_secret("token-canary-2-")
    tokens = [f"token-canary-{number}-" for number in range(20)]
    for token in (*tokens, tokens[12], tokens[19], tokens[19]):
        logs.register_token("an owner", token)
    logs.register_token("another", "token-canary-x")
    hidden = {token for token in (*tokens, "token-canary-x") if logs.redact(token) != token}
    assert hidden == {tokens[2], *tokens[12:], "token-canary-x"}


def test_lines_are_structured(json_stream):
    logs.logger("executor.desk", account="main").info("sent", action="send", action_id="a1", cloid="0xf7ac")
    line = json.loads(json_stream.getvalue())
    assert {
        "event": "sent",
        "level": "info",
        "logger": "executor.desk",
        "account": "main",
        "action_id": "a1",
    }.items() <= line.items()
    assert line["timestamp"].endswith("Z")


def test_the_level_is_kept(json_stream):
    logs.logger("x").debug("hidden")
    assert json_stream.getvalue() == ""


@pytest.mark.parametrize("secret", [CANARY, KEY, "plain-secret-1"])
def test_a_registered_secret_never_appears(stream, secret):
    logs.register_secret(secret)
    log = logs.logger("executor.x")
    nested = {"url": f"wss://h/?q={quote_plus(secret)}", "list": [secret, secret.encode()], secret: secret}
    log.info(f"event {secret}", value=secret, nested=nested)
    log.info("positional %s", secret)
    try:
        raise ValueError(f"it was {secret}")
    except ValueError:
        log.exception("failed")
        logging.getLogger("websockets.client").debug("> GET /?k=%s", secret, exc_info=True)
    logging.getLogger("aiohttp").warning("body %r", {"secret": secret})
    out = stream.getvalue()
    assert "failed" in out
    assert "websockets.client" in out
    for form in (secret, secret.removeprefix("0x"), quote_plus(secret), json.dumps(secret)[1:-1]):
        assert form not in out
        assert form.upper() not in out.upper()


@pytest.mark.parametrize(
    "text",
    [
        "wss://h/ws/actions/a?api_key=CANARY&api_secret=CANARY",
        "GET /?token=CANARY HTTP/1.1",
        "> Authorization: Token CANARY",
        "Authorization: Bearer CANARY",
        "> X-API-Key: CANARY",
        "{'api_key': 'CANARY'}",
        '{"access_token": "CANARY", "x": 1}',
        '"{\\"user_token\\": \\"CANARY\\"}"',
        "Headers({'Authorization': 'Token CANARY'})",
        f"private_key={KEY}",
        f"signer {KEY}",
        f'"secret_key": "{KEY[2:]}"',
    ],
)
def test_what_looks_like_a_secret_is_masked_unregistered(stream, text):
    logs.logger("x").warning(text, api_secret="CANARY", nested={"inner": text})
    logging.getLogger("anything").error("%s", text)
    out = stream.getvalue()
    assert "anything" in out
    assert "CANARY" not in out
    assert KEY[2:] not in out


def test_a_cloid_or_a_hash_is_not_masked(json_stream):
    logs.logger("x").info("sent", cloid="0xf7ac" + "ab" * 14, hash="0x" + "ab" * 32, token_count=3)
    line = json.loads(json_stream.getvalue())
    assert (line["cloid"], line["hash"], line["token_count"]) == ("0xf7ac" + "ab" * 14, "0x" + "ab" * 32, 3)


@pytest.mark.parametrize("name", ["hyperliquid", "hyperliquid.api", "urllib3.connectionpool", "eth_account"])
def test_the_sdk_is_silent(stream, name):
    logging.getLogger(name).critical("noise")
    assert stream.getvalue() == ""


def test_other_libraries_speak_at_debug_only_when_we_do(json_stream):
    logging.getLogger("websockets.client").info("handshake")
    assert json_stream.getvalue() == ""


def test_colours_are_for_terminals():
    plain, terminal = io.StringIO(), Terminal()
    for out in (plain, terminal):
        logs.configure("INFO", "console", out)
        logs.logger("x").info("hello", a=1)
    assert "\x1b[" not in plain.getvalue()
    assert "\x1b[" in terminal.getvalue()


def test_a_crash_is_logged_without_its_secrets(stream):
    logs.register_secret("crash-canary")
    try:
        raise RuntimeError("crash-canary")
    except RuntimeError as error:
        sys.excepthook(RuntimeError, error, error.__traceback__)
    assert "crashed" in stream.getvalue()
    assert "crash-canary" not in stream.getvalue()


def test_a_line_that_cannot_be_formatted_does_not_show_its_arguments(stream):
    logs.register_secret("format-canary")
    (ours,) = [handler for handler in logging.getLogger().handlers if type(handler).__module__ == "executor.logs"]
    ours.handle(logging.LogRecord("odd", logging.ERROR, "", 0, "%d", ("format-canary",), None))
    assert "was lost" in stream.getvalue()
    assert "format-canary" not in stream.getvalue()


@pytest.mark.parametrize(
    ("level", "logged"), [("info", "info"), ("warning", "warning"), ("alarm", "error"), ("odd", "warning")]
)
def test_the_log_notifier_speaks_at_its_level(json_stream, level, logged):
    logs.LogNotifier().notify(level, "stop missing", "BTC has had none for 3 s")
    line = json.loads(json_stream.getvalue())
    assert (line["level"], line["event"], line["body"]) == (logged, "stop missing", "BTC has had none for 3 s")


def test_without_a_stream_it_is_stderr(capsys):
    logs.configure("INFO", "json")
    logs.logger("x").info("hello")
    captured = capsys.readouterr()
    assert (captured.out, "hello" in captured.err) == ("", True)


ODD = "x\x1b[2Jy\r\nforged \u202e line\x9b"


@pytest.mark.parametrize("where", ["event", "value", "nested", "foreign", "error"])
def test_nothing_from_outside_moves_a_terminals_cursor_or_makes_a_line(stream, where):
    log = logs.logger("executor.x")
    if where == "error":
        try:
            raise ValueError(ODD)
        except ValueError:
            log.exception("failed")
    elif where == "foreign":
        logging.getLogger("aiohttp").warning("said %s", ODD)
    else:
        log.info(ODD if where == "event" else "said", value=ODD if where == "value" else {"a": [ODD]})
    out = stream.getvalue().replace("\x1b[0m", "").replace("\x1b[1m", "").replace("\x1b[2m", "")
    assert not {"\r", "\u202e", "\x9b"} & set(out)
    assert "\x1b[2J" not in out
    assert not any(line.startswith("forged") for line in out.splitlines())
    assert "2J" in out


def test_what_fails_beside_the_worker_is_redacted_too(stream):
    logs.register_secret("thread-canary-1")

    def fails():
        raise ValueError("it was thread-canary-1")

    thread = threading.Thread(target=fails)
    thread.start()
    thread.join()

    class Broken:
        def __del__(self):
            raise ValueError("and thread-canary-1 again")

    broken = Broken()
    del broken
    assert stream.getvalue().count("something beside the worker failed") == 2
    assert "thread-canary-1" not in stream.getvalue()


def test_a_received_frame_is_kept_to_the_byte_unless_it_holds_a_secret(stream):
    logs.register_secret("frame-canary-1")
    for frame in ('{"a": "token=x"}', b"\xff\xfe\x00", "", '{"a":"\\ud800"}'):
        assert logs.without_secrets(frame) is frame
    assert logs.without_secrets('{"said": "frame-canary-1"}') == '{"said": "[redacted]"}'
    assert logs.without_secrets(b"\xfffRame frame-canary-1\xfe") == b"\xfffRame [redacted]\xfe"


@pytest.mark.parametrize("text", ["key" * 7_000, "key" + " " * 20_000])
def test_a_long_text_is_looked_through_in_no_time(text):
    """A server chooses what it says of an error; each word cost the worker's loop more than the last."""
    began_s = time.process_time()
    assert logs.redact(text) == text
    assert time.process_time() - began_s < 5


def test_a_private_key_is_found_beside_a_word_that_says_so_however_they_are_set():
    key = "5ec2e7" * 10 + "c0de"
    for between in ("", " ", "   =   ", ": ", '": "', "_of_main_account: 0x", "\t0x", " " * 40):
        assert key not in logs.redact(f"private_key{between}{key} and more")


@pytest.mark.parametrize("open_ends", [os.pipe, pty.openpty], ids=["pipe", "terminal"])
def test_a_reader_that_stalls_costs_lines_and_never_the_worker(open_ends):
    reader, writer = open_ends()
    os.set_blocking(writer, False)  # should it be written to after all, this test must not wait either
    seen = b""
    with os.fdopen(writer, "w", encoding="utf-8") as stderr, redirect_stderr(stderr):
        logs.configure("INFO", "json")
        for number in range(1_500):
            logs.logger("x").info("y" * 100, number=number)
        for _ in range(100):
            while select.select([reader], [], [], 0.01)[0]:
                seen += os.read(reader, 65_536)
            if b"log lines were lost: nobody took them" in seen:
                break
            logs.logger("x").info("again")
    os.close(reader)
    assert b"log lines were lost: nobody took them" in seen


@pytest.mark.parametrize("open_ends", [os.pipe, pty.openpty], ids=["pipe", "terminal"])
def test_a_line_that_a_stalled_reader_cuts_runs_into_no_other_and_is_counted(open_ends):
    """Whatever reads JSON lines lost both, and who reads a terminal saw one line where there were two."""
    reader, writer = open_ends()
    os.set_blocking(writer, False)
    seen = b""
    with os.fdopen(writer, "w", encoding="utf-8") as stderr, redirect_stderr(stderr):
        logs.configure("INFO", "json")
        for size in (2_345, 234, 3_456, 0):
            for number in range(50 if size > 999 else 400):
                logs.logger("x").info("y" * size, number=number)
            while select.select([reader], [], [], 0.02)[0]:
                seen += os.read(reader, 65_536)
        logs.logger("x").info("last", number=0)
        while select.select([reader], [], [], 0.02)[0]:
            seen += os.read(reader, 65_536)
    os.close(reader)
    whole = [json.loads(line) for line in seen.decode().splitlines() if line.endswith("}")]
    lost = sum(int(one["event"].split()[0]) for one in whole if "lines were lost" in one["event"])
    assert lost > 0
    assert sum("number" in one for one in whole) + lost >= 901  # one that lacks its end alone is both
