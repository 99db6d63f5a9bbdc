"""What plugins may rely on: every name is there, and options are strict and fixed."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from executor import api


class Sample(api.Options):
    size: int = 1


def test_every_promised_name_is_there_once() -> None:
    assert len(set(api.__all__)) == len(api.__all__)
    assert all(hasattr(api, name) for name in api.__all__)


def test_what_a_strategy_a_rule_and_a_source_need_is_promised() -> None:
    needed = {"Strategy", "StrategyView", "TradeIntent", "Rule", "Verdict", "Source", "Emit", "Notifier", "Options"}
    assert needed <= set(api.__all__)


def test_unknown_option_keys_are_errors() -> None:
    with pytest.raises(ValidationError, match="sise"):
        Sample(sise=2)  # type: ignore[call-arg]  # the mistake under test


def test_options_do_not_change_after_reading() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Sample().size = 2
