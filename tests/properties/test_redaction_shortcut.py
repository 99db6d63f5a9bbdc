"""The plain searches before the patterns change nothing: what the patterns would mask is masked."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from executor import logs

SECRET = "Canary-5ecret+Wörd"
PIECES = st.sampled_from(
    [
        "api_key=", "API-KEY: ", "secret='", "Token\": \"", "Authorization: Bearer ", "x-api-secret: ", "mnemonic=",
        "passphrase=", "private key 0x", "signer ", "0x" + "ab" * 32, SECRET, SECRET.upper(),
        SECRET.lower(), "abc", "'",
        "\"", " ", "&", "\n", "BTC", "=", ":",
    ]
)  # fmt: skip
TEXTS = st.lists(PIECES | st.text(max_size=8), max_size=12).map("".join)


def patterns_only(text: str) -> str:
    pattern = logs._registry.pattern
    assert pattern is not None
    text = pattern.sub(logs.MASK, text)
    for one in logs._PATTERNS:
        text = one.sub(rf"\g<1>{logs.MASK}", text)
    return text


@given(TEXTS)
def test_the_shortcut_masks_what_the_patterns_mask(text: str) -> None:
    logs.register_secret(SECRET)
    assert logs.redact(text) == patterns_only(text)
