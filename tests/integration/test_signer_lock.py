"""Two workers that sign with one key would take each other's nonces, whatever accounts they trade."""

from __future__ import annotations

from pathlib import Path

import pytest
from coincurve import PrivateKey

from executor import config, plugins
from executor.app.identity import Trader
from executor.app.locking import hold, hold_files
from executor.errors import LockHeld
from executor.venue.signer import Signer


def trader(loaded: config.Loaded, account: int, key: int) -> dict[str, Trader]:
    """A worker's one account, and who signs for it."""
    [configured] = loaded.config.accounts
    signer = Signer(PrivateKey(bytes([key]) * 32), mainnet=False)
    return {configured.name: Trader(configured, f"0x{account:040x}", signer)}


def test_a_second_worker_with_another_account_of_the_same_signer_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EXECUTOR_LOCK_DIR", str(tmp_path))
    loaded = config.load_text("version: 1\naccounts: [{name: main}]\n", tmp_path / "config.yaml", [], {}, plugins)
    with hold(loaded, trader(loaded, account=1, key=1)):
        for account, key in ((2, 1), (1, 2)):
            with pytest.raises(LockHeld) as refused, hold(loaded, trader(loaded, account, key)):
                pass
            assert refused.value.exit_code == 4
        with hold(loaded, trader(loaded, account=2, key=2)):
            pass


def configured(folder: Path, text: str) -> config.Loaded:
    """A configuration in this folder."""
    return config.load_text(f"version: 1\naccounts: [{{name: main}}]\n{text}", folder / "config.yaml", [], {}, plugins)


@pytest.mark.parametrize(
    ("theirs", "key"),
    [("paper: {state: another.db}", "ledger.path"), ("ledger: {path: another.db}", "paper.state")],
)
def test_a_second_worker_on_the_ledger_or_the_paper_file_is_refused_whatever_it_trades(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, theirs: str, key: str
) -> None:
    monkeypatch.setenv("EXECUTOR_LOCK_DIR", str(tmp_path))
    with hold_files(configured(tmp_path, "")):
        with pytest.raises(LockHeld, match=key) as refused, hold_files(configured(tmp_path, theirs)):
            pass
        assert key in refused.value.remedy
        with hold_files(configured(tmp_path / "elsewhere", "")):
            pass
    with hold_files(configured(tmp_path, theirs)):
        pass
