"""Finds mix-ups of signer, account, agent, vault and account mode before anything is traded. Pure.

The most frequent first-hour failure of comparable tools (lessons.md section 1.1): every finding says what to do.
Facts: hyperliquid.md sections 1.2 (``userRole``, ``extraAgents``, ``userAbstraction``), 3.6 and 6.13.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

DAY_MS = 86_400_000
EXPIRY_WARNING_DAYS = 14

STANDARD_MODES = frozenset({"default", "disabled"})
UNIFIED = "unifiedAccount"
PORTFOLIO_MARGIN = "portfolioMargin"
VAULT_ROLES = frozenset({"vault", "subAccount"})

_LEADER = "the venue does not tell who leads a vault: check it on the vault's page"

Level = Literal["pass", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Role:
    """``userRole``: user, agent, vault, subAccount or missing; ``master`` is the owner of an agent or sub-account."""

    name: str
    master: str | None = None


@dataclass(frozen=True, slots=True)
class Agent:
    """One approved agent of ``extraAgents``; ``valid_until_ms`` is ``None`` where the venue gives no end."""

    address: str
    name: str
    valid_until_ms: int | None


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of the check: a stable code, what was found, and what to do about it."""

    level: Level
    code: str
    text: str
    remedy: str = ""


def check_identity(
    signer_address: str,
    account_address: str,
    role_of_signer: Role,
    role_of_account: Role,
    agents: Sequence[Agent],
    mode: str,
    now_ms: int,
) -> list[Finding]:
    """What is wrong, worth knowing or right about who signs for whom; ``agents`` are those of the account's master."""
    signer, account = signer_address.lower(), account_address.lower()
    findings = [_account(role_of_account, account)]
    if findings[0].level != "fail":
        findings.append(_signer(signer, account, role_of_signer, role_of_account))
    findings += _expiry(signer, agents, now_ms) if findings[-1].level != "fail" else []
    return [*findings, _mode(mode)]


def needs_vault_address(role_of_account: Role) -> bool:
    """Whether requests for this account must carry ``vaultAddress``."""
    return role_of_account.name in VAULT_ROLES


def _account(role: Role, account: str) -> Finding:
    if role.name == "agent":
        return Finding(
            "fail",
            "ACCOUNT_IS_AGENT",
            f"{account} is an agent's address, and an agent has no positions or money",
            f"set the account's address to {role.master or 'the master account'} and keep the agent's key as signer",
        )
    if role.name == "missing":
        return Finding(
            "fail",
            "ACCOUNT_MISSING",
            f"the venue does not know {account}, or it was never funded",
            "check the address and the network, and deposit before trading",
        )
    if role.name not in VAULT_ROLES | {"user"}:
        return Finding("fail", "ACCOUNT_ROLE_UNKNOWN", f"the venue calls {account} {role.name!r:.40}", "report this")
    text = f"{account} is a {role.name}" + (", so every request names it" if needs_vault_address(role) else "")
    return Finding("pass", "ACCOUNT_KNOWN", text)


def _signer(signer: str, account: str, signer_role: Role, account_role: Role) -> Finding:
    owner = account_role.master.lower() if account_role.master else account
    if signer == account or (signer == owner and account_role.name == "subAccount"):
        return Finding(
            "warn",
            "SIGNER_IS_MASTER",
            f"the signer {signer} is the master key, which can also withdraw",
            "approve an agent (API wallet) and use its key instead",
        )
    if account_role.name == "vault" and signer_role.name == "user":
        return Finding("warn", "VAULT_LEADER_UNPROVEN", f"{signer} must lead the vault {account}", _LEADER)
    if signer_role.name != "agent":
        return Finding(
            "fail",
            "SIGNER_NOT_APPROVED",
            f"the signer {signer} is no approved agent of {owner}",
            f"approve {signer} as an API wallet of {owner}, or give the key of one that is; agents expire",
        )
    return _agent_of(signer, owner, signer_role, account_role)


def _agent_of(signer: str, owner: str, signer_role: Role, account_role: Role) -> Finding:
    master = (signer_role.master or "").lower()
    if account_role.name == "vault":
        return Finding("warn", "VAULT_LEADER_UNPROVEN", f"{signer} acts for {master}, who must lead the vault", _LEADER)
    if master != owner:
        return Finding(
            "fail",
            "AGENT_OF_ANOTHER",
            f"the signer {signer} is an agent of {master}, not of {owner}",
            f"use a key approved by {owner}, or trade the account {master}",
        )
    return Finding("pass", "SIGNER_APPROVED", f"{signer} is an approved agent of {owner}")


def _expiry(signer: str, agents: Sequence[Agent], now_ms: int) -> list[Finding]:
    until_ms = next((agent.valid_until_ms for agent in agents if agent.address.lower() == signer), None)
    if until_ms is None:
        return []
    days = (until_ms - now_ms) // DAY_MS
    remedy = "approve a new agent with a new key (never reuse an agent's address) and change the signer"
    if days < 0:
        return [Finding("fail", "AGENT_EXPIRED", f"the agent {signer} has expired", remedy)]
    level: Level = "warn" if days < EXPIRY_WARNING_DAYS else "pass"
    return [Finding(level, "AGENT_EXPIRY", f"the agent {signer} is valid for {days} more days", remedy)]


def _mode(mode: str) -> Finding:
    if mode in STANDARD_MODES:
        return Finding("pass", "MODE_STANDARD", "perpetuals have their own balance")
    if mode == UNIFIED:
        return Finding("warn", "MODE_UNIFIED", "a unified account: its equity is read from the spot balance of USDC")
    if mode == PORTFOLIO_MARGIN:
        return Finding(
            "fail",
            "MODE_PORTFOLIO_MARGIN",
            "portfolio margin is not supported: its equity cannot be sized from one balance",
            "trade a sub-account in standard or unified mode",
        )
    return Finding("fail", "MODE_UNKNOWN", f"account mode {mode!r:.40} is not supported", "use a standard account")
