"""Every mix-up of signer, account and mode is found, and each finding that matters says what to do."""

from __future__ import annotations

import pytest

from executor.venue.identity import DAY_MS, Agent, Finding, Role, check_identity, needs_vault_address

MASTER, OTHER, SUB = "0x" + "aa" * 20, "0x" + "bb" * 20, "0x" + "cc" * 20
AGENT = "0x" + "dd" * 20
NOW = 1_800_000_000_000
USER = Role("user")
MINE = Role("agent", MASTER)


def check(
    signer: str = AGENT,
    account: str = MASTER,
    signer_role: Role = MINE,
    account_role: Role = USER,
    days: int | None = 60,
    mode: str = "default",
) -> list[Finding]:
    agents = [Agent(AGENT, "bot", None if days is None else NOW + days * DAY_MS)]
    return check_identity(signer, account, signer_role, account_role, agents, mode, NOW)


def levels(findings: list[Finding]) -> dict[str, str]:
    return {finding.code: finding.level for finding in findings}


def test_an_approved_agent_of_a_standard_account_passes() -> None:
    assert levels(check()) == {
        "ACCOUNT_KNOWN": "pass",
        "SIGNER_APPROVED": "pass",
        "AGENT_EXPIRY": "pass",
        "MODE_STANDARD": "pass",
    }


def test_letter_case_of_addresses_does_not_matter() -> None:
    upper = Role("agent", MASTER.upper().replace("X", "x"))
    assert levels(check(AGENT.upper().replace("X", "x"), MASTER, upper)) == levels(check())


@pytest.mark.parametrize(
    ("case", "code", "level"),
    [
        ({"account": AGENT, "account_role": MINE}, "ACCOUNT_IS_AGENT", "fail"),
        ({"account_role": Role("missing")}, "ACCOUNT_MISSING", "fail"),
        ({"account_role": Role("something new")}, "ACCOUNT_ROLE_UNKNOWN", "fail"),
        ({"signer_role": Role("missing")}, "SIGNER_NOT_APPROVED", "fail"),
        ({"signer_role": USER}, "SIGNER_NOT_APPROVED", "fail"),
        ({"signer_role": Role("agent", OTHER)}, "AGENT_OF_ANOTHER", "fail"),
        ({"signer_role": Role("agent", None)}, "AGENT_OF_ANOTHER", "fail"),
        ({"signer": MASTER, "signer_role": USER}, "SIGNER_IS_MASTER", "warn"),
        ({"account": SUB, "account_role": Role("subAccount", MASTER)}, "SIGNER_APPROVED", "pass"),
        ({"account": SUB, "account_role": Role("subAccount", OTHER)}, "AGENT_OF_ANOTHER", "fail"),
        (
            {"signer": MASTER, "signer_role": USER, "account": SUB, "account_role": Role("subAccount", MASTER)},
            "SIGNER_IS_MASTER",
            "warn",
        ),
        ({"account": SUB, "account_role": Role("vault")}, "VAULT_LEADER_UNPROVEN", "warn"),
        (
            {"signer": MASTER, "signer_role": USER, "account": SUB, "account_role": Role("vault")},
            "VAULT_LEADER_UNPROVEN",
            "warn",
        ),
        ({"days": -1}, "AGENT_EXPIRED", "fail"),
        ({"days": 3}, "AGENT_EXPIRY", "warn"),
        ({"mode": "disabled"}, "MODE_STANDARD", "pass"),
        ({"mode": "unifiedAccount"}, "MODE_UNIFIED", "warn"),
        ({"mode": "portfolioMargin"}, "MODE_PORTFOLIO_MARGIN", "fail"),
        ({"mode": "dexAbstraction"}, "MODE_UNKNOWN", "fail"),
    ],
)
def test_each_mix_up_has_its_finding(case: dict[str, object], code: str, level: str) -> None:
    findings = check(**case)  # type: ignore[arg-type]  # a table of keyword arguments
    assert levels(findings)[code] == level
    assert all(finding.remedy for finding in findings if finding.level == "fail")


def test_an_agent_without_an_end_has_no_expiry_to_tell() -> None:
    assert "AGENT_EXPIRY" not in levels(check(days=None))


def test_the_remedy_for_an_agents_address_names_its_master() -> None:
    assert MASTER in check(account=AGENT, account_role=MINE)[0].remedy


@pytest.mark.parametrize(("role", "needed"), [("user", False), ("subAccount", True), ("vault", True)])
def test_only_sub_accounts_and_vaults_are_named_in_requests(role: str, needed: bool) -> None:
    assert needs_vault_address(Role(role)) is needed
