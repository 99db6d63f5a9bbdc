"""hiding.py: no plugin that quotes what it finds in the environment gets a secret into a message."""

from __future__ import annotations

from pathlib import Path

from executor import plugins
from executor.app.doctor import unbuilt
from executor.app.doctor_check import failed, warned
from executor.app.hiding import hide, references
from executor.config import load_text

CANARIES = ("canary-hiding-key-1", "canary-hiding-signer-2", "canary-hiding-token-3")
CONFIG = """
version: 1
sources: [{name: one, type: fractrade, agents: [a], api_secret_file: secret.txt}]
routes: [{source: one, strategy: "telling.py:Telling"}]
"""
TELLING = f"""
class Telling:
    def __init__(self):
        raise ValueError("around me: {" ".join(CANARIES)}")
"""


def test_what_a_strategy_tells_of_its_surroundings_is_hidden_also_where_it_cannot_be_built(tmp_path: Path) -> None:
    (tmp_path / "telling.py").write_text(TELLING)
    names = ("FRACTRADE_API_KEY", "HYPERLIQUID_PRIVATE_KEY", "EXECUTOR_TOKEN")
    environ = dict(zip(names, CANARIES, strict=True))
    loaded = load_text(CONFIG, tmp_path / "config.yaml", (), environ, plugins)
    hide(loaded)
    (check,) = unbuilt(loaded)
    assert "cannot be built: around me" in check.text
    assert not any(canary in check.text for canary in CANARIES)
    assert {ref.key for ref in references(loaded)} >= {"api_key_env", "api_secret_file", "signer_env", "token_env"}


def test_what_the_doctor_says_holds_no_secret() -> None:
    for check in (failed("it", "url?api_key=abcd1234", "token=abcd1234"), warned("it", "api_secret=abcd1234", "")):
        assert "abcd1234" not in f"{check.text} {check.remedy}"
