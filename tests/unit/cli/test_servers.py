from decimal import Decimal

import pytest

from executor.cli.servers import _deposit
from executor.errors import ConfigError

ADDRESS = "0x" + "aB" * 20


def test_a_deposit_is_an_address_and_dollars():
    assert _deposit(f"{ADDRESS}=1000.5") == (ADDRESS.lower(), Decimal("1000.5"))
    assert _deposit(f"{ADDRESS}=1e12") == (ADDRESS.lower(), Decimal(10) ** 12)


@pytest.mark.parametrize(
    "text",
    ["", "=", ADDRESS, f"{ADDRESS}=", f"{ADDRESS}=x", f"{ADDRESS}=0", f"{ADDRESS}=-1", f"{ADDRESS}=nan",
     f"{ADDRESS}=inf", f"{ADDRESS}=1e30", "0xzz=1", f"{ADDRESS}00=1", f"{ADDRESS[2:]}=1"],
)  # fmt: skip
def test_anything_else_is_a_usage_error_with_the_remedy(text):
    with pytest.raises(ConfigError) as caught:
        _deposit(text)
    assert "--fund 0x" in caught.value.remedy
