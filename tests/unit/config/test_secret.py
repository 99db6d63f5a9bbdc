import sys

import pytest

from executor.config.secret import SecretRef, looks_like_variable, read_secret
from executor.config.show import masked
from executor.errors import SecretError

CANARY = "canary-4711"


def test_a_variable_is_read_and_stripped(tmp_path):
    ref = SecretRef("api_key_env", "env", "KEY")
    assert read_secret(ref, {"KEY": f" {CANARY}\n"}, tmp_path).get_secret_value() == CANARY


def test_a_file_is_read_from_the_configs_folder(tmp_path):
    (tmp_path / "key").write_text(CANARY + "\n")
    assert read_secret(SecretRef("api_key_file", "file", "key"), {}, tmp_path).get_secret_value() == CANARY


def test_a_mark_that_editors_put_before_the_text_is_no_part_of_the_secret(tmp_path):
    (tmp_path / "key").write_bytes(b"\xef\xbb\xbf" + CANARY.encode())
    assert read_secret(SecretRef("api_key_file", "file", "key"), {}, tmp_path).get_secret_value() == CANARY


def test_a_command_is_run_without_a_shell_in_the_configs_folder(tmp_path):
    (tmp_path / "key").write_text("a;b $HOME")
    ref = SecretRef("api_key_cmd", "cmd", f"{sys.executable} -c \"print(open('key').read())\"")
    assert read_secret(ref, {}, tmp_path).get_secret_value() == "a;b $HOME"


@pytest.mark.parametrize(
    ("ref", "words"),
    [
        (SecretRef("k_env", "env", "MISSING"), "set MISSING in the environment"),
        (SecretRef("k_env", "env", "EMPTY"), "nothing in it"),
        (SecretRef("k_file", "file", "none"), "No such file"),
        (SecretRef("k_file", "file", "binary"), "not UTF-8"),
        (SecretRef("k_cmd", "cmd", "no-such-command-here x"), "could not be run"),
        (SecretRef("k_cmd", "cmd", "unbalanced '"), "could not be run"),
        (
            SecretRef("k_cmd", "cmd", f"{sys.executable} -c \"import sys; print('{CANARY}'); sys.exit('{CANARY}')\""),
            "ended with 1",
        ),
    ],
)
def test_what_cannot_be_read_says_how_to_mend_it_and_no_secret(ref, words, tmp_path):
    (tmp_path / "binary").write_bytes(b"\xff\xfe" + CANARY.encode())
    with pytest.raises(SecretError) as caught:
        read_secret(ref, {"EMPTY": "  "}, tmp_path)
    assert words in str(caught.value)
    assert caught.value.remedy
    assert CANARY not in str(caught.value)


def test_a_command_is_shown_by_its_first_word():
    ref = SecretRef("signer_cmd", "cmd", f"echo {CANARY}")
    assert str(ref) == repr(ref) == "signer_cmd: echo …"


@pytest.mark.parametrize(
    ("name", "is_one"),
    [("KEY_1", True), ("_x", True), ("1X", False), ("a b", False), ("ab" * 32, False), ("0x" + "1" * 64, False)],
)
def test_a_private_key_is_not_taken_for_a_variables_name(name, is_one):
    assert looks_like_variable(name) is is_one


@pytest.mark.parametrize("kind", ["env", "file", "cmd"])
@pytest.mark.parametrize("key", ["0x" + "5ec2e7" * 10 + "c0de", "5ec2e7" * 10 + "c0de"])
def test_a_key_written_where_its_place_belongs_is_in_no_message(kind, key, tmp_path):
    ref = SecretRef(f"signer_{kind}", kind, key)
    with pytest.raises(SecretError) as caught:
        read_secret(ref, {}, tmp_path)
    assert "5ec2e7" not in f"{caught.value} {caught.value.remedy} {ref!r} {masked(ref.key, key)}"
