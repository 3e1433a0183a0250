"""Does the benchmark of the tests tell a change that is noticed from one that is not, and leave the tree alone?"""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.mutants import FIRST, SHARE, THEN, Fate, Tried, asked, copied, noted, sample, told, tried
from benchmarks.mutations import Mutation, mutations

# the second half says nothing new: what is greater than five is not zero
PLANTED = '''"""Is it late?"""


def late(seconds: int) -> str:
    if seconds > 5 and seconds != 0:
        return "late"
    return ""
'''
TEST = """from smtpcheck.planted import late


def test_late():
    assert (late(5), late(6)) == ("", "late")


def test_that_always_fails():
    assert late(6) == "early"
"""


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    for name, text in {
        "smtpcheck/__init__.py": "",
        "smtpcheck/pytest_plugin/__init__.py": "",  # which pytest looks for, as it is installed
        "smtpcheck/planted.py": PLANTED,
        "tests/test_planted.py": TEST,
        "pyproject.toml": "[tool.pytest.ini_options]\naddopts = ['-p', 'no:asyncio']\n",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    return tmp_path


def planted(tree: Path, new: str) -> Mutation:
    (found,) = [m for m in sample(tree, ["smtpcheck"], 99, 1) if m.new == new]
    return found


def test_a_change_is_noticed_and_one_without_effect_survives_and_the_tree_is_as_before(tree: Path) -> None:
    before = {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()}
    noticed, equivalent = planted(tree, " >= "), planted(tree, "((seconds > 5))")
    with copied(tree) as copy:
        calls = noted(copy.clean, ["tests"], workers=0)

    done, unsteady = tried(tree, [noticed, equivalent], calls, minutes=5, jobs=1, seed=1)

    assert done == [
        Tried(noticed, Fate.NOTICED, "tests/test_planted.py::test_late"),
        Tried(equivalent, Fate.SURVIVED),
    ]
    assert unsteady == {"tests/test_planted.py::test_that_always_fails"}
    assert {path: path.read_bytes() for path in tree.rglob("*") if path.is_file()} == before
    text, share = told(tree, done, unsteady, 1)
    assert share == 0.5 < SHARE
    assert "-    if seconds > 5 and seconds != 0:\n+    if ((seconds > 5)):" in text
    assert ">=" not in text
    assert "1 of 2 changes noticed: 50%" in text


def test_a_benchmark_without_tests_is_no_result(tree: Path) -> None:
    with copied(tree) as copy, pytest.raises(ValueError, match="no test ran"):
        noted(copy.clean, ["tests/nowhere"], workers=0)


def test_every_test_that_calls_the_function_is_asked_with_some_parameters() -> None:
    place = "smtpcheck/planted.py:4"
    calls = {f"t.py::test_many[{number}]": [place] for number in range(1000)}
    calls |= {f"t.py::test_few[{number}]": [place, "x", "y"] for number in range(3)}
    calls |= {"t.py::test_another": ["x"]}

    first, then = asked(Mutation("smtpcheck/planted.py", "", 0, 0, "", place), calls, 1)

    assert (len(first), len(then)) == (FIRST, THEN)
    assert {f"t.py::test_few[{number}]" for number in range(3)} <= {*then}
    assert "t.py::test_another" not in {*first, *then}


def test_the_same_seed_takes_the_same_sample(tree: Path) -> None:
    assert sample(tree, ["smtpcheck"], 3, 5) == sample(tree, ["smtpcheck/planted.py"], 3, 5)
    assert len(sample(tree, ["smtpcheck"], 3, 5)) == 3


def kinds(source: str, path: str = "x.py") -> list[tuple[str, str]]:
    found = mutations(path, source.encode())
    return [(source.encode()[m.start : m.end].decode().strip(), m.new.strip()) for m in found]


@pytest.mark.parametrize(
    ("source", "changes"),
    [
        ("x = a < b", [("<", "<=")]),
        ("x = a is not b", [("is not", "is")]),
        ("x = a not in b", [("not in", "in")]),
        ("x = a or b or c", [("a or b or c", f"({two})") for two in ("(a) or (b)", "(a) or (c)", "(b) or (c)")]),
        ("x = not a", [("not a", "(a)")]),
        ("x = 3", [("3", "4")]),
        ("x = True", [("True", "False")]),
        ("def f():\n    return 'é', a", [("return 'é', a", "return None")]),
        ("def f():\n    yield a", [("yield a", "yield from ()")]),
        ("note(a)", [("note(a)", "pass")]),
        # what shows in no behaviour that a test asserts
        ('"""A text."""', []),
        ("x: Literal[3]", []),
        ("def f(a: Literal[3]) -> Literal[4]: ...", []),
        ("@cache(maxsize=3)\ndef f(): ...", []),
        ("if TYPE_CHECKING:\n    x = 3", []),
        ("assert a < b", []),
        ("raise E(3)", []),
        ("x = y[:120]", []),
        ("LIMIT = 2.5", []),
        ("def f():\n    return None", []),
    ],
)
def test_what_is_changed_in_code(source: str, changes: list[tuple[str, str]]) -> None:
    assert kinds(source) == changes


def test_what_is_changed_in_a_table() -> None:
    one = '[[reply]]\ncodes = [535]  # not 550\ntext = "a 1"\ncause = "one"\n'
    other = '[[reply]]\ncause = "two"\n'

    assert sorted(kinds(one + other, "t.toml")) == sorted(
        [
            (one.strip(), ""),
            (other.strip(), ""),
            ("535", "536"),
            ('cause = "one"\n[[reply]]\ncause = "two"', 'cause = "two"\n[[reply]]\ncause = "one"'),
        ]
    )
