import pytest

from executor.cli import words


@pytest.mark.parametrize(
    ("size", "said"), [("0.01", "LONG 0.01"), ("-2.50", "SHORT 2.50"), ("0", "flat"), ("", "flat"), (None, "flat")]
)
def test_a_signed_size_is_said_as_a_position(size, said):
    assert words.position(size) == said


@pytest.mark.parametrize(
    ("leg", "side", "said"),
    [
        ("entry", "buy", "entry LONG"),
        ("entry", "sell", "entry SHORT"),
        ("exit", "sell", "exit of LONG"),
        ("exit", "buy", "exit of SHORT"),
        ("stop", "sell", "stop for LONG"),
        ("target", "buy", "target for SHORT"),
        ("other", "buy", "other"),
    ],
)
def test_an_order_is_said_by_what_it_opens_or_closes(leg, side, said):
    assert words.order({"leg": leg, "side": side}) == said


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("99.99999999999999999999999998 USD", "100 USD"),
        ("5312.367190820229494262643433", "5312.36719082"),
        ("0.0123", "0.0123"),
        (None, ""),
        ("3 of 1.25 at 0.00000001234567", "3 of 1.25 at 0.00000001"),
    ],
)
def test_no_number_has_more_digits_than_a_person_reads(text, said):
    assert words.short(text) == said


def test_times_are_short():
    assert words.when("2026-11-21T23:01:51.123Z") == "11-21 23:01:51"
    assert words.moment("2026-11-21T23:01:51.123Z") == "23:01:51.123"
    assert words.when(None) == words.moment(None) == ""


def test_a_gain_is_green_and_a_loss_red():
    assert str(words.gain("1.5").style) == "green"
    assert str(words.gain("-1.5").style) == "red"
    assert str(words.gain("0").style) == ""


def test_a_cell_reads_no_markup_and_obeys_no_control_character():
    assert words.cell("[red]x[/red]").plain == "[red]x[/red]"
    assert words.cell("a\x1b[31mb\x07").plain == "a\\x1b[31mb\\x07"


def test_facts_leave_out_what_is_empty():
    data = {"coin": "BTC", "none": None, "text": "", "list": [], "agent": {"id": "a", "x": None}, "sizes": ["1", "2"]}
    assert words.facts(data) == "coin=BTC  agent={id: a}  sizes=[1, 2]"


def test_a_leg_tells_what_was_filled_of_it():
    assert words.leg({"leg": "entry", "filled": "0.1", "size": "0.2", "avg_px": "100"}) == "entry 0.1/0.2 @ 100"
    assert words.leg({"leg": "stop", "filled": "0", "size": "0.2", "avg_px": None}) == "stop 0/0.2"


@pytest.mark.parametrize(
    ("name", "word"),
    [
        ("EXECUTE_HYPERLIQUID_PERP_TRADE", "trade"),
        ("SET_HYPERLIQUID_PERP_STOP_LOSS", "stop"),
        ("SET_HYPERLIQUID_PERP_TAKE_PROFIT", "target"),
        ("SOMETHING", "SOMETHING"),
        (None, ""),
    ],
)
def test_action_types_have_one_word(name, word):
    assert words.action_type(name) == word


@pytest.mark.parametrize("text", ["a\nb", "a\r\nb", "\x1b[2Ja", "\x9b31ma", "a\u202eb", "a\x00b", "a\u2028b"])
def test_a_cell_is_one_line_and_nothing_a_terminal_obeys(text):
    assert words.cell(text).plain.isprintable()


def test_a_cell_is_no_markup():
    assert words.cell("[bold]x[/] [link=http://h]y[/link]").plain == "[bold]x[/] [link=http://h]y[/link]"
    assert words.cell("[bold]x[/]").spans == []
