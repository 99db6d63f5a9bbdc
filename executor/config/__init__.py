"""The configuration: one YAML file, what is laid over it, and every check that can be made before anything runs."""

from executor.config.checks import require_channels, without_channel
from executor.config.loading import Loaded, load, load_text
from executor.config.models import (
    Account,
    Config,
    Execution,
    Heartbeat,
    Hyperliquid,
    Ledger,
    Logging,
    Notify,
    Paper,
    Protection,
    Route,
    Rule,
    Server,
    SignerPolicy,
    Source,
)
from executor.config.secret import SecretRef
from executor.config.show import json_schema
from executor.config.templates import config_template, env_template

__all__ = [
    "Account",
    "Config",
    "Execution",
    "Heartbeat",
    "Hyperliquid",
    "Ledger",
    "Loaded",
    "Logging",
    "Notify",
    "Paper",
    "Protection",
    "Route",
    "Rule",
    "SecretRef",
    "Server",
    "SignerPolicy",
    "Source",
    "config_template",
    "env_template",
    "json_schema",
    "load",
    "load_text",
    "require_channels",
    "without_channel",
]
