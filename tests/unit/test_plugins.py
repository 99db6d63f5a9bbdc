from pathlib import Path

import pytest

from executor import plugins
from executor.errors import PluginError

HERE = Path()


def test_the_built_ins_come_in_by_the_plugin_door():
    assert {"fractrade", "replay"} <= set(plugins.names("executor.sources"))
    assert {"follow", "scaled"} <= set(plugins.names("executor.strategies"))
    assert {"max_leverage", "daily_loss"} <= set(plugins.names("executor.risk_rules"))
    assert plugins.names("executor.notifiers") == ("log", "webhook")


def test_a_plugin_tells_where_it_comes_from_without_being_imported():
    (log, _) = plugins.discover("executor.notifiers")
    assert log.target == "executor.logs:LogNotifier"
    assert log.origin.startswith("fractrade-hyperliquid-executor ")


def test_a_registered_name_gives_the_class():
    assert plugins.load("executor.notifiers", "log", HERE).__name__ == "LogNotifier"


def test_an_unknown_name_lists_the_known_ones():
    with pytest.raises(PluginError, match="registered are: log") as caught:
        plugins.load("executor.notifiers", "lgo", HERE)
    assert caught.value.exit_code == 2


def test_a_file_and_class_start_at_the_configs_folder(tmp_path):
    (tmp_path / "mine.py").write_text("class Mine:\n    pass\n")
    first = plugins.load("executor.strategies", "mine.py:Mine", tmp_path)
    assert first.__name__ == "Mine"
    assert plugins.load("executor.strategies", "./mine.py:Mine", tmp_path) is first


def test_two_files_of_one_name_are_two_modules(tmp_path):
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / "mine.py").write_text(f"class Mine:\n    word = '{folder}'\n")
    words = [plugins.load("executor.strategies", f"{folder}/mine.py:Mine", tmp_path).word for folder in "ab"]
    assert words == ["a", "b"]


@pytest.mark.parametrize(
    ("text", "target", "words"),
    [
        ("class Mine: pass", "mine.py:Other", "classes there: Mine"),
        ("Mine = 5", "mine.py:Mine", "there is no class 'Mine'"),
        ("class Mine: pass", "other.py:Mine", "no file and class"),
        ("class Mine: pass", "mine:Mine", "no file and class"),
        ("class Mine", "mine.py:Mine", "SyntaxError"),
        ("raise RuntimeError('boom')", "mine.py:Mine", "RuntimeError: boom"),
        ("import no_such_module_here", "mine.py:Mine", "ModuleNotFoundError"),
    ],
)
def test_what_cannot_be_loaded_says_how_to_mend_it(tmp_path, text, target, words):
    (tmp_path / "mine.py").write_text(text)
    with pytest.raises(PluginError) as caught:
        plugins.load("executor.strategies", target, tmp_path)
    assert words in str(caught.value)
    assert caught.value.remedy


def test_a_file_that_failed_is_tried_again(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("class Mine")
    with pytest.raises(PluginError):
        plugins.load("executor.strategies", "mine.py:Mine", tmp_path)
    file.write_text("class Mine:\n    pass  # mended\n")
    assert plugins.load("executor.strategies", "mine.py:Mine", tmp_path).__name__ == "Mine"


@pytest.mark.parametrize(
    ("target", "words"),
    [("no_such_module_here:X", "ModuleNotFoundError"), ("executor.errors:Nothing", "there is no class 'Nothing'")],
)
def test_a_registration_that_leads_nowhere_names_its_distribution(target, words):
    info = plugins.PluginInfo("odd", "executor.sources", "somebody 1.0", target)
    with pytest.raises(PluginError, match="somebody") as caught:
        info.load()
    assert words in str(caught.value)
