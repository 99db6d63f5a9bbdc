"""What a simulated process leaves when it is killed is let go here, not in the middle of somebody else's test."""

from __future__ import annotations

import gc
import sys
import warnings
from collections.abc import Iterator

import pytest


@pytest.fixture(autouse=True)
def buried() -> Iterator[None]:
    """Collect the remains of killed lives: their loops and sockets were never closed, as after a real kill."""
    yield
    hook, sys.unraisablehook = sys.unraisablehook, lambda _: None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            gc.collect()
    finally:
        sys.unraisablehook = hook
