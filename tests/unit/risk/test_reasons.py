"""Every reason code a rule gives is explained, and none that no rule gives."""

from __future__ import annotations

import re
from pathlib import Path

from executor import risk
from executor.risk.reasons import REASONS


def test_the_table_holds_the_codes_the_rules_use() -> None:
    folder = Path(risk.__path__[0])
    used = {code for file in folder.glob("*.py") for code in re.findall(r'[(, ]"([A-Z_]{5,})"[,)]', file.read_text())}
    assert used == set(REASONS)


def test_each_sentence_is_one_and_tells_what_to_do() -> None:
    for code, text in REASONS.items():
        assert code.isupper()
        assert re.search(r"[:;] .+\.$", text), code
