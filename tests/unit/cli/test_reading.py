"""`explain` takes the beginning of an id: derived ones have 32 digits."""

import pytest

from executor.cli.reading import begun
from executor.errors import ExecutorError


class Reader:
    def actions(self, limit):
        return {"actions": [{"action_id": name} for name in ("fbacfa4c", "fbacff00", "916d9137", "916d9137")][:limit]}


def test_the_one_action_that_begins_so_is_meant_on_however_many_accounts():
    assert begun(Reader(), "916d") == "916d9137"
    assert begun(Reader(), "fbacfa") == "fbacfa4c"


@pytest.mark.parametrize(("beginning", "said"), [("x", "no action is called 'x'"), ("", "no action"), ("fba", "2 act")])
def test_none_and_several_are_errors_with_the_remedy(beginning, said):
    with pytest.raises(ExecutorError, match=said) as caught:
        begun(Reader(), beginning)
    assert caught.value.remedy
