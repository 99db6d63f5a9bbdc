"""The texts `executor init` writes; the repository's own ``config.yaml`` is the same text."""

from __future__ import annotations

from importlib.resources import files


def config_template() -> str:
    """A complete, commented configuration for dry-run."""
    return files("executor.config").joinpath("template.yaml").read_text(encoding="utf-8")


def env_template() -> str:
    """The ``.env.example`` that belongs to it."""
    return files("executor.config").joinpath("template.env").read_text(encoding="utf-8")
