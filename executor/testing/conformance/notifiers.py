"""What a notifier promises: it takes whatever there is to tell, at once, and never raises."""

from __future__ import annotations

import inspect
from typing import Any

from executor.testing.conformance.inputs import HOSTILE_TEXT
from executor.testing.conformance.results import Results

NEWS = (
    ("info", "STARTED", "the worker runs"),
    ("warning", "GAP", "frames may have been missed"),
    ("alarm", "EXIT_MISSED", HOSTILE_TEXT),
    ("alarm", "", ""),
)


def check_notifier(kind: type[Any], options: Any, results: Results) -> None:
    """Build it and tell it everything."""
    try:
        notifier = kind(options) if hasattr(kind, "Options") else kind()
    except Exception as error:  # noqa: BLE001 a stranger's constructor may raise anything
        results.fail("construction", f"{type(error).__name__}: {error}")
        return
    for news in NEWS:
        try:
            answer = notifier.notify(*news)
        except Exception as error:  # noqa: BLE001 what is looked for
            results.fail(f"{news[0]} {news[1]}", f"raised {type(error).__name__}: {error}")
            return
        if inspect.iscoroutine(answer):
            answer.close()
            results.fail("notify", "is a coroutine function: nobody awaits it")
            return
    results.passed("notify", f"{len(NEWS)} pieces of news taken")
