"""Signatures, agents, nonces, expiry: refused in the venue's words before anything is executed (2.7, 3.1 to 3.6)."""

from __future__ import annotations

from typing import Any

import pytest
from coincurve import PrivateKey

from executor.hyperliquid.signing import address_of, sign_l1
from executor.paper.gate import Gate, Refused, Request, Unprocessable, read_request

KEY = PrivateKey(b"\x11" * 32)
ME = address_of(KEY)
AGENT_KEY = PrivateKey(b"\x22" * 32)
AGENT = address_of(AGENT_KEY)
NOW = 1_763_000_000_000
FUNDED = {ME: object()}
NOOP = {"type": "noop"}


def body(action: dict[str, Any] = NOOP, key=KEY, nonce: int = NOW, vault=None, expires=None, mainnet=False) -> Any:
    signature = sign_l1(key, action, nonce, vault, expires, mainnet)
    return {"action": action, "nonce": nonce, "signature": signature, "vaultAddress": vault, "expiresAfter": expires}


def request(**kw: Any) -> Request:
    return read_request(body(**kw))


def refused(gate: Gate, what: Request, funded=FUNDED, now: int = NOW) -> str:
    with pytest.raises(Refused) as caught:
        gate.admit(what, funded, now)
    return str(caught.value)


def test_a_funded_signer_acts_for_itself_and_a_strangers_address_is_named():
    assert Gate().admit(request(), FUNDED, NOW) == ME
    assert refused(Gate(), request(key=AGENT_KEY)) == f"User or API Wallet {AGENT} does not exist."


def test_the_vault_and_the_expiry_are_part_of_what_is_signed():
    for change in ({"vaultAddress": "0x" + "aa" * 20}, {"expiresAfter": NOW + 1}, {"nonce": NOW + 1}):
        assert read_request(body() | change).signers != (ME,)


def test_keys_out_of_order_and_trailing_zeros_recover_somebody_else():
    order = {"a": 1, "b": True, "p": "100", "s": "1", "r": False, "t": {"limit": {"tif": "Gtc"}}}
    good = {"type": "order", "orders": [order], "grouping": "na"}
    assert request(action=good).signers == (ME,)
    swapped = {"orders": [order], "type": "order", "grouping": "na"}
    assert request(action=swapped).signers != (ME,)
    assert request(action=good | {"orders": [order | {"p": "100.0"}]}).signers != (ME,)


def test_the_mainnet_source_counts_only_where_it_is_accepted():
    signed = body(mainnet=True)
    assert ME not in read_request(signed).signers
    assert Gate().admit(read_request(signed, mainnet_too=True), FUNDED, NOW) == ME


def test_an_agent_acts_for_its_master_until_it_expires_or_is_replaced():
    gate = Gate()
    gate.approve(ME, AGENT, "bot", NOW + 10)
    assert gate.admit(request(key=AGENT_KEY), FUNDED, NOW) == ME
    text = f"User or API Wallet {AGENT} does not exist."
    assert refused(gate, request(key=AGENT_KEY), now=NOW + 10) == text
    gate.approve(ME, "0x" + "cc" * 20, "bot", None)
    assert refused(gate, request(key=AGENT_KEY)) == text


def test_an_agent_of_an_unfunded_master_must_deposit():
    gate = Gate()
    gate.approve(ME, AGENT, "", None)
    text = f"Must deposit before performing actions. User: {ME}"
    assert refused(gate, request(key=AGENT_KEY), funded={}) == text


def test_user_signed_actions_of_the_unfunded_must_deposit():
    what = Request({"type": "approveAgent"}, NOW, (AGENT,), user_signed=True)
    gate = Gate()
    gate.approve(ME, AGENT, "", None)
    assert refused(gate, what) == f"Must deposit before performing actions. User: {AGENT}"


def test_a_nonce_works_once_for_a_signer():
    gate = Gate()
    gate.admit(request(), FUNDED, NOW)
    assert refused(gate, request()) == f"Invalid nonce: duplicate nonce {NOW}"
    gate.admit(request(nonce=NOW - 1), FUNDED, NOW)


@pytest.mark.parametrize(("offset", "word"), [(-2 * 86_400_000, "low"), (86_400_000, "high")])
def test_nonces_outside_the_window_are_refused_and_its_inside_is_not(offset, word):
    at_edge, inside = NOW + offset, NOW + offset - (1 if offset > 0 else -1)
    assert refused(Gate(), request(nonce=at_edge)).startswith(f"Invalid nonce: nonce too {word} {at_edge} ")
    assert Gate().admit(request(nonce=inside), FUNDED, NOW) == ME


def test_below_the_hundred_highest_a_nonce_is_too_low():
    gate = Gate()
    gate.nonces[ME] = [NOW + i for i in range(99)]
    gate.admit(request(nonce=NOW - 5), FUNDED, NOW)
    assert refused(gate, request(nonce=NOW - 6)) == f"Invalid nonce: nonce too low {NOW - 6} < {NOW - 5}"
    gate.admit(request(nonce=NOW + 200), FUNDED, NOW)
    assert len(gate.nonces[ME]) == 100
    assert gate.nonces[ME][0] == NOW


def test_a_late_action_is_refused_and_its_nonce_stays_unused():
    gate = Gate()
    assert refused(gate, request(expires=NOW - 1)) == "Action already expired"
    assert gate.admit(request(expires=NOW), FUNDED, NOW) == ME


def test_sub_accounts_answer_to_their_master_only():
    sub = "0x" + "dd" * 20
    gate = Gate()
    assert refused(gate, request(vault=sub)) == f"Vault not registered: {sub}"
    gate.sub_accounts[sub] = ME
    assert gate.admit(request(vault=sub), {**FUNDED, sub: 1}, NOW) == sub
    gate.sub_accounts[sub] = AGENT
    assert refused(gate, request(vault=sub, nonce=NOW + 1)) == "Vault may not perform this action."


def test_an_unfunded_sub_account_must_deposit():
    sub = "0x" + "dd" * 20
    gate = Gate(sub_accounts={sub: ME})
    assert refused(gate, request(vault=sub)) == f"Must deposit before performing actions. User: {sub}"


@pytest.mark.parametrize(
    "change",
    [
        {"action": None}, {"action": {"type": "nonsense"}}, {"action": {"type": []}}, {"action": {}}, {"nonce": "1"},
        {"nonce": True}, {"nonce": -1}, {"signature": {}},
        {"signature": "0x"}, {"expiresAfter": "soon"}, {"vaultAddress": 7},
        {"action": {"type": "order", "orders": "x", "grouping": "na"}},
    ],
)  # fmt: skip
def test_a_body_of_the_wrong_shape_is_unprocessable(change):
    with pytest.raises(Unprocessable):
        read_request(body() | change)


@pytest.mark.parametrize("missing", ["action", "nonce", "signature"])
def test_a_missing_member_is_unprocessable(missing):
    with pytest.raises(Unprocessable, match=missing):
        read_request({k: v for k, v in body().items() if k != missing})


@pytest.mark.parametrize("broken", [None, [], "text", 7])
def test_a_body_that_is_no_object_is_unprocessable(broken):
    with pytest.raises(Unprocessable):
        read_request(broken)


def test_a_signature_of_nobody_cannot_be_recovered():
    with pytest.raises(Refused, match="Unable to recover signer"):
        read_request(body() | {"signature": {"r": "0x0", "s": "0x0", "v": 27}})


def test_absent_optionals_mean_the_same_as_null():
    bare = {k: v for k, v in body().items() if k in ("action", "nonce", "signature")}
    assert read_request(bare) == read_request(body())


@pytest.mark.parametrize(
    ("change", "error"),
    [({"hyperliquidChain": "Mainnet"}, Refused), ({"nonce": NOW + 1}, Unprocessable), ({"nonce": None}, Unprocessable)],
)
def test_a_user_signed_action_names_this_chain_and_its_own_nonce(change, error):
    action = {
        "type": "approveAgent", "hyperliquidChain": "Testnet", "signatureChainId": "0x66eee", "agentAddress": AGENT,
        "agentName": "", "nonce": NOW,
    }  # fmt: skip
    assert read_request(body() | {"action": action}).user_signed
    with pytest.raises(error):
        read_request(body() | {"action": action | change})
    with pytest.raises(Refused):
        read_request(body() | {"action": action, "expiresAfter": NOW + 60_000})  # the SDK sends what it was set to
