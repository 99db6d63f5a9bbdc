"""The configuration: one YAML file, what is laid over it, and every check that can be made before anything runs."""

from executor.config.checks import require_channels
from executor.config.loading import Loaded, load, load_text
from executor.config.models import (
    Account,
    Config,
    Execution,
    Hyperliquid,
    Ledger,
    Logging,
    Paper,
    Protection,
    Route,
    Rule,
    Server,
    Source,
)
from executor.config.secret import SecretRef
from executor.config.show import json_schema
from executor.config.templates import config_template, env_template

__all__ = [
    "Account",
    "Config",
    "Execution",
    "Hyperliquid",
    "Ledger",
    "Loaded",
    "Logging",
    "Paper",
    "Protection",
    "Route",
    "Rule",
    "SecretRef",
    "Server",
    "Source",
    "config_template",
    "env_template",
    "json_schema",
    "load",
    "load_text",
    "require_channels",
]
