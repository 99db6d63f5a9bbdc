"""House rules that no linter knows: sizes, which module has its test, words that belong to one layer, reasons."""

import ast
import inspect
import io
import re
import statistics
import subprocess
import tokenize
from functools import cache
from pathlib import Path

import pytest

from executor import errors

ROOT = Path(__file__).parents[1]
CODE = sorted([*ROOT.glob("executor/**/*.py"), *ROOT.glob("strategies/**/*.py")])
TESTS = sorted(ROOT.glob("tests/**/*.py"))

LONGEST_FILE = 400
LONGEST_BODY = 50
MEDIAN_BODY = 5
NINE_IN_TEN_BODIES = 20

TESTED_ONE_TO_ONE = ("core", "risk", "hyperliquid")
UNPATCHED = ("unit", "properties", "contract")
PATCHING = {"mock", "Mock", "MagicMock", "AsyncMock", "monkeypatch", "mocker"}

MODE_WORDS = {"paper", "dry", "dry_run", "dryrun"}
MODE_AWARE = (
    "executor/config/",
    "executor/app",
    "executor/plugins",
    "executor/paper/",
    "executor/cli/",
    "executor/testing",
    "executor/sim/halyrd",  # the word another system has for one of its own phases
    "executor/server/halyrd",  # the same word, to that system's clients
)
"""Where the word may stand: below the composition root nobody can tell the exchanges apart (design.md rule 8)."""

FLOATS = {
    "executor/sources/reconnect.py": "seconds of back-off, not money",
}
"""Files that may call float(), with the reason."""

SYSTEM = {
    ("time", "time"), ("time", "time_ns"), ("time", "monotonic"), ("time", "monotonic_ns"), ("datetime", "now"),
    ("datetime", "utcnow"), ("date", "today"), ("uuid", "uuid4"), ("uuid", "uuid1"),
}  # fmt: skip
ASKS_THE_SYSTEM = ("executor/clock.py",)


def name(path):
    return path.relative_to(ROOT).as_posix()


@cache
def tree(path):
    return ast.parse(path.read_text(encoding="utf-8"))


@cache
def tokens(path):
    return list(tokenize.generate_tokens(io.StringIO(path.read_text(encoding="utf-8")).readline))


def body_lines(function):
    statements = function.body
    if isinstance(statements[0], ast.Expr) and isinstance(getattr(statements[0], "value", None), ast.Constant):
        statements = statements[1:]
    return statements[-1].end_lineno - statements[0].lineno + 1 if statements else 0


def functions(path):
    return [node for node in ast.walk(tree(path)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def in_code(what, allowed=()):
    """Every place of the code where ``what(node)`` holds, outside the allowed files."""
    return [
        f"{name(path)}:{node.lineno}"
        for path in CODE
        if not name(path).startswith(tuple(allowed))
        for node in ast.walk(tree(path))
        if what(node)
    ]


# -- sizes ------------------------------------------------------------------------------------------------------


def test_no_file_is_longer_than_can_be_read_in_one_go():
    long = {name(path): lines for path in CODE if (lines := len(path.read_text().splitlines())) > LONGEST_FILE}
    assert not long


def test_no_function_is_longer_than_a_screen():
    long = [
        f"{name(path)}:{f.lineno} {f.name}" for path in CODE for f in functions(path) if body_lines(f) > LONGEST_BODY
    ]
    assert not long


def test_most_functions_are_small():
    sizes = sorted(lines for path in CODE for f in functions(path) if (lines := body_lines(f)))
    assert statistics.median(sizes) <= MEDIAN_BODY
    assert sizes[int(len(sizes) * 0.9)] <= NINE_IN_TEN_BODIES


def test_every_module_says_its_one_reason_to_exist():
    silent = [name(path) for path in CODE if path.read_text().strip() and not ast.get_docstring(tree(path))]
    assert not silent


# -- tests ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("package", TESTED_ONE_TO_ONE)
def test_every_module_that_decides_has_its_own_unit_test(package):
    modules = [
        path for path in CODE if name(path).startswith(f"executor/{package}/") and any(map(body_lines, functions(path)))
    ]
    missing = [m.stem for m in modules if not (ROOT / "tests/unit" / package / f"test_{m.stem}.py").exists()]
    assert not missing


@pytest.mark.parametrize("tier", UNPATCHED)
def test_nothing_is_patched(tier):
    patched = [
        f"{name(path)}:{token.start[0]} {token.string}"
        for path in TESTS
        if name(path).startswith(f"tests/{tier}/")
        for token in tokens(path)
        if token.type == tokenize.NAME and token.string in PATCHING
    ]
    assert not patched


# -- layers -----------------------------------------------------------------------------------------------------


def test_only_the_composition_root_and_the_paper_exchange_know_the_mode():
    def speaks_of_the_mode(node):
        word = (
            node.value
            if isinstance(node, ast.Constant)
            else getattr(node, "id", getattr(node, "attr", getattr(node, "arg", "")))
        )
        return isinstance(word, str) and word.lower() in MODE_WORDS

    assert not in_code(speaks_of_the_mode, MODE_AWARE)


def test_strategies_import_the_plugin_api_only():
    def other(node):
        names = [a.name for a in node.names] if isinstance(node, ast.Import) else [getattr(node, "module", None) or ""]
        return isinstance(node, ast.Import | ast.ImportFrom) and any(
            n == "executor" or (n.startswith("executor.") and n != "executor.api") for n in names
        )

    found = [
        f"{name(p)}:{n.lineno}"
        for p in CODE
        if name(p).startswith("strategies/")
        for n in ast.walk(tree(p))
        if other(n)
    ]
    assert not found


def test_what_decides_never_waits():
    waits = (ast.AsyncFunctionDef, ast.Await, ast.AsyncFor, ast.AsyncWith)
    pure = tuple(f"executor/{package}/" for package in TESTED_ONE_TO_ONE)
    assert not [place for place in in_code(lambda node: isinstance(node, waits)) if place.startswith(pure)]


def test_money_never_becomes_a_float():
    def converts(node):
        return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "float"

    assert not in_code(converts, FLOATS)


def test_one_module_asks_the_system_for_time_and_chance():
    def asks(node):
        if isinstance(node, ast.Attribute):
            return (getattr(node.value, "id", getattr(node.value, "attr", "")), node.attr) in SYSTEM
        if isinstance(node, ast.ImportFrom):
            return node.module == "random" or any((node.module, a.name) in SYSTEM for a in node.names)
        return isinstance(node, ast.Import) and any(a.name == "random" for a in node.names)

    assert not in_code(asks, ASKS_THE_SYSTEM)


# -- errors and exemptions --------------------------------------------------------------------------------------


def drawn_tree(text):
    """The pairs (class, parent) of a tree drawn with box characters."""
    parents, pairs = {}, set()
    for line in text.splitlines():
        found = re.match(r"([│├└─ ]*)([A-Z]\w+)", line)
        if found and (found[1] or found[2] == "ExecutorError"):
            depth = len(found[1]) // 4
            parents[depth] = found[2]
            pairs.add((found[2], parents.get(depth - 1, "Exception")))
    return pairs


def test_the_drawn_tree_of_exceptions_is_the_tree():
    classes = {
        (c.__name__, c.__base__.__name__)
        for _, c in inspect.getmembers(errors, inspect.isclass)
        if issubclass(c, Exception)
    }
    assert drawn_tree(errors.__doc__) == classes


EXEMPTIONS = {
    "noqa": re.compile(r"# noqa: [A-Z]+\d+(, ?[A-Z]+\d+)*\W+\w\S* \w"),
    "type: ignore": re.compile(r"# type: ignore\[[\w-]+(, ?[\w-]+)*\]\W+\w\S* \w"),
    "pragma: no cover": re.compile(r"# pragma: no cover\W+\w\S* \w"),
    "pragma: no branch": re.compile(r"# pragma: no branch\W+\w\S* \w"),
}


@pytest.mark.parametrize("exemption", EXEMPTIONS)
def test_every_exemption_has_a_code_and_a_reason(exemption):
    bare = [
        f"{name(path)}:{token.start[0]}"
        for path in [*CODE, *TESTS]
        for token in tokens(path)
        if token.type == tokenize.COMMENT
        and exemption in token.string
        and not EXEMPTIONS[exemption].search(token.string)
    ]
    assert not bare


def test_whoever_catches_everything_says_why_or_passes_it_on():
    def swallows(handler):
        everything = handler.type is None or getattr(handler.type, "id", "") in ("Exception", "BaseException")
        last = handler.body[-1]
        return everything and not (isinstance(last, ast.Raise) and last.exc is None)

    silent = []
    for path in CODE:
        lines = path.read_text().splitlines()
        handlers = [node for node in ast.walk(tree(path)) if isinstance(node, ast.ExceptHandler) and swallows(node)]
        silent += [f"{name(path)}:{h.lineno}" for h in handlers if "#" not in lines[h.lineno - 1] + lines[h.lineno]]
    assert not silent


# -- the repository ---------------------------------------------------------------------------------------------

LOCAL = re.compile("|".join(("/" + "root/", "/" + r"home/\w+/", "/" + r"Users/\w+/", "/" + "work/")))
REGISTRY = re.compile("|".join(("pypi" + r"\.org", "files" + r"\.pythonhosted", "--(extra-)?index" + "-url")))


def committed():
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=False)
    if listed.returncode:
        pytest.skip("this is no git checkout")
    return [ROOT / file for file in listed.stdout.split("\0") if file and (ROOT / file).is_file()]


@pytest.mark.parametrize(("what", "pattern"), [("a path of one machine", LOCAL), ("a package registry", REGISTRY)])
def test_no_committed_file_names(what, pattern):
    found = [
        f"{name(path)}:{number}"
        for path in committed()
        for number, line in enumerate(path.read_text(encoding="utf-8", errors="replace").splitlines(), 1)
        if pattern.search(line)
    ]
    assert not found, what


def test_every_requirement_is_locked_by_hash():
    lock = (ROOT / "requirements.lock").read_text()
    entries = re.split(r"\n(?=\w)", lock)
    assert not [entry.splitlines()[0] for entry in entries if "==" in entry and "--hash=sha256:" not in entry]
    assert "hatchling==" in lock


@pytest.mark.parametrize("script", ["scripts/setup", "scripts/demo", "scripts/test", "scripts/check", ".ci/run"])
def test_scripts_can_be_run_and_stop_at_the_first_error(script):
    path = ROOT / script
    assert path.stat().st_mode & 0o111
    assert "set -euo pipefail" in path.read_text()
