"""Dry-run's key: made once, whole, the user's alone; what stands in its place is told, and never overwritten."""

from __future__ import annotations

import os
import stat

import pytest

from executor import config, plugins
from executor.app.identity import traders
from executor.errors import ConfigError


@pytest.fixture
def loaded(tmp_path):
    text = "version: 1\naccounts: [{name: main, signer_cmd: 'false'}]\n"
    return config.load_text(text, tmp_path / "config.yaml", [], {}, plugins)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "var" / "dry_run.main.key"


def test_it_is_made_once_and_for_the_user_alone_under_any_umask(loaded, path):
    before = os.umask(0)
    try:
        first = traders(loaded)["main"].address
    finally:
        os.umask(before)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert traders(loaded)["main"].address == first
    assert [one.name for one in path.parent.iterdir()] == [path.name]


def test_what_a_crash_left_half_written_is_no_obstacle(loaded, path):
    path.parent.mkdir()
    path.with_suffix(".new").write_text("5ec2")
    path.with_suffix(".new").chmod(0o666)
    assert traders(loaded)["main"].address
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("kind", ["empty", "binary", "short", "dangling", "folder"])
def test_what_is_no_key_is_told_with_its_path_and_left_alone(loaded, path, kind, tmp_path):
    path.parent.mkdir()
    if kind == "dangling":
        path.symlink_to(tmp_path / "victim")
    elif kind == "folder":
        path.mkdir()
    else:
        path.write_bytes({"empty": b"", "binary": b"\xff\xfe", "short": b"5ec2e7"}[kind])
    with pytest.raises(ConfigError, match=r"dry_run\.main\.key cannot be used") as refused:
        traders(loaded)
    assert "5ec2e7" not in str(refused.value)
    assert not (tmp_path / "victim").exists()
    assert os.path.lexists(path)
