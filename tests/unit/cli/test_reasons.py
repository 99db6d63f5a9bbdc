import re
from pathlib import Path

import pytest

from executor.cli.reasons import ALSO_ALARMS, MEANINGS, ORIGINS, meaning
from executor.core import verdict
from executor.hyperliquid.error_strings import ERROR_REASONS, STATUS_REASONS
from executor.hyperliquid.symbols import SymbolReason
from executor.risk import reasons

CODE = Path(reasons.__file__).parents[1]
GIVEN = (
    ("sources", re.compile(r'Refusal\(\s*"([A-Z][A-Z_0-9]+)"')),
    ("core", re.compile(r'reason="([A-Z][A-Z_0-9]+)"')),
    ("core", re.compile(r'now_ms,\s*"([A-Z][A-Z_0-9]+)"')),
    ("core", re.compile(r'return \(\s*"([A-Z][A-Z_0-9]+)",')),
    ("execution", re.compile(r'batch, "([A-Z][A-Z_0-9]+)"')),
    ("hyperliquid", re.compile(r'(?:Unknown|Rejected)\("([A-Z][A-Z_0-9]+)"')),
)


@pytest.mark.parametrize(("package", "given"), GIVEN, ids=lambda value: getattr(value, "pattern", value))
def test_every_reason_that_is_given_can_be_explained(package, given):
    texts = "\n".join(path.read_text() for path in (CODE / package).glob("*.py"))
    codes = set(given.findall(texts))
    assert codes
    assert not {code for code in codes if not meaning(code)}


def test_every_reason_of_tables_can_be_explained():
    tables = {
        *reasons.REASONS,
        *verdict.REASONS,
        *(reason.value for reason in SymbolReason),
        *STATUS_REASONS.values(),
        *(row.reason for row in ERROR_REASONS),
    }
    assert not {code for code in tables if not meaning(code)}


def test_a_meaning_is_one_sentence_that_ends_with_what_to_do():
    assert all(text.endswith(".") and len(text) < 120 and text.count(": ") == 1 for text in MEANINGS.values())


def test_every_code_stands_in_the_table_once():
    assert sum(len(origin.codes) for origin in ORIGINS.values()) == len(MEANINGS)
    assert MEANINGS.keys() >= ALSO_ALARMS


def test_a_strangers_reason_has_no_meaning_and_no_error():
    assert meaning("MY_OWN_RULE") == ""
    assert meaning(None) == ""
