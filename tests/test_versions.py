"""The laws of code versions: what changes one, what leaves it alone, and what is refused."""

from __future__ import annotations

import functools
import importlib.util
import io
import itertools
import json
import os
import subprocess
import sys
import textwrap
import tokenize
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import polars as pl
import pytest

from lakehouse.errors import DefinitionError
from lakehouse.versions import CodeVersion, changed, code_version, digest_of, is_project_file, value_digest
from lakehouse.versions.sourcefile import parse
from lakehouse.versions.sourcetext import Reading

ROOT = Path(__file__).resolve().parent.parent
BASE = '''
    import datetime as dt
    import math
    import re
    from decimal import Decimal
    from functools import partial

    import polars as pl

    RATE = 100
    OTHER = 1
    CLEAN = pl.col("amount").fill_null(0)

    def scale(x):
        return x * RATE

    def to_cents(x):
        return scale(x)

    def make(rate):
        def inner(x):
            return x * rate
        return inner

    inner = make(3)

    def monthly_orders(orders, limit=5, *, floor=1):
        """Orders a month."""
        kept = orders.filter(CLEAN > floor)  # a comment
        return kept.head(limit), to_cents(2), inner(2), "a literal"
'''


class Lakefiles:
    """Writes modules under fresh names and imports them."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.folder = folder
        self.monkeypatch = monkeypatch
        self.numbers = itertools.count()

    def load(self, text: str, name: str | None = None) -> ModuleType:
        name = name or f"lakefile_of_test_{next(self.numbers)}"
        path = self.folder / f"{name}.py"
        path.write_text(textwrap.dedent(text))
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        self.monkeypatch.setitem(sys.modules, name, module)
        spec.loader.exec_module(module)
        return module

    def version(self, text: str, name: str = "monthly_orders") -> CodeVersion:
        return code_version(getattr(self.load(text), name))

    def differing(self, before: str, after: str, name: str = "monthly_orders") -> list[str]:
        old, new = self.version(before, name), self.version(after, name)
        assert (old.digest == new.digest) == (old.parts == new.parts)
        return changed(old.parts, new.parts)


@pytest.fixture
def lakefiles(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Lakefiles:
    monkeypatch.setattr(sys, "dont_write_bytecode", True)  # it would outlive a rewrite within the same second
    return Lakefiles(tmp_path, monkeypatch)


def edited(old: str, new: str) -> str:
    assert old in BASE
    return BASE.replace(old, new)


def test_a_version_names_its_parts_the_function_first(lakefiles: Lakefiles) -> None:
    version = lakefiles.version(BASE)
    assert [name for name, _ in version.parts] == [
        "monthly_orders",
        "closure rate",
        "default floor",
        "default limit",
        "global CLEAN",
        "global RATE",
        "helper inner",
        "helper scale",
        "helper to_cents",
    ]
    assert len(version.digest) == 64
    assert len({digest for _, digest in version.parts}) == 9


@pytest.mark.parametrize(
    "text",
    [
        edited("# a comment", "# another, longer comment"),
        edited('"""Orders a month."""', '"""Says something else\n\n        at length."""'),
        edited('        """Orders a month."""\n', ""),
        edited("OTHER = 1", "OTHER = 2"),
        edited("return scale(x)", "\n\n        return scale( x )\n"),
        edited("return scale(x)", "return scale(\n            x,\n        )"),
        edited("def to_cents(x):\n        return scale(x)", "def to_cents(x): return scale(x);"),
        edited("def to_cents(x):", "def to_cents(\n        x: int\n    ) -> (dict[str, int]):"),
        edited("        kept = orders", "        kept: dict[str, int] = orders"),
        edited("        return scale(x)", "                return scale(x)"),
        edited("    RATE = 100\n    OTHER = 1\n", "    OTHER = 1\n    RATE = 50 + 50\n"),
        edited("(orders, limit=5,", "(orders: pl.LazyFrame, limit: int = 5,"),
    ],
)
def test_comments_docstrings_annotations_layout_and_what_is_not_loaded_change_nothing(
    lakefiles: Lakefiles, text: str
) -> None:
    assert lakefiles.differing(BASE, text) == []


@pytest.mark.parametrize(
    ("text", "names"),
    [
        (edited('"a literal"', '"another"'), ["monthly_orders"]),
        (edited("return scale(x)", "return scale(x) + 1"), ["helper to_cents"]),
        (edited("x * RATE", "RATE * x"), ["helper scale"]),
        (edited("RATE = 100", "RATE = 101"), ["global RATE"]),
        (edited("RATE = 100", "RATE = 100.0"), ["global RATE"]),
        (edited("make(3)", "make(4)"), ["closure rate"]),
        (edited("fill_null(0)", "fill_null(1)"), ["global CLEAN"]),
        (edited("    RATE = 100", "    from math import floor as RATE"), ["helper scale", "global RATE"]),
    ],
)
def test_a_change_is_named(lakefiles: Lakefiles, text: str, names: list[str]) -> None:
    assert lakefiles.differing(BASE, text) == names


def test_a_default_that_comes_out_otherwise_is_named(lakefiles: Lakefiles) -> None:
    text = "N = {}\ndef monthly_orders(a, limit=N, *, floor={}): return a"
    assert lakefiles.differing(text.format(1, 2), text.format(3, 2)) == ["default limit"]
    assert "default floor" in lakefiles.differing(text.format(1, 2), text.format(1, 4))


def test_swapped_helpers_are_a_change(lakefiles: Lakefiles) -> None:
    text = """
        def one(): return 1
        def two(): return 2
        first, second = {}
        def monthly_orders(): return first() - second()
    """
    assert lakefiles.differing(text.format("one, two"), text.format("two, one")) == ["monthly_orders"]


def test_a_line_break_or_indentation_inside_a_text_is_content(lakefiles: Lakefiles) -> None:
    text = 'def monthly_orders():\n    return """a\n{}b"""\n'
    assert lakefiles.differing(text.format("  "), text.format("   ")) == ["monthly_orders"]
    text = 'def monthly_orders(x):\n    return f"""{{x}}\n{}b"""\n'
    assert lakefiles.differing(text.format("  "), text.format("   ")) == ["monthly_orders"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("return (x,)", "return (x)"),
        ("return y[x,]", "return y[x]"),
        ("return (lambda a, b: x,)", "return (lambda a, b: x)"),
        ("if x:\n        y()\n        return 1", "if x:\n        y()\n    return 1"),
        ("if x: y(); z()", "if x: y()\n    z()"),
        ("match x:\n        case (1,): return 2", "match x:\n        case (1): return 2"),
        ("return f'{x!r}'", "return f'{x!s}'"),
        ("return f'{x:>3}'", "return f'{x:>4}'"),
        ("x: int\n    return x", "return x"),
    ],
)
def test_what_only_looks_like_layout_is_a_change(lakefiles: Lakefiles, one: str, other: str) -> None:
    text = "def monthly_orders(x, y, z):\n    {}\n"
    assert lakefiles.differing(text.format(one), text.format(other)) == ["monthly_orders"]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("return [x, y,]", "return [x, y]"),
        ("return [x,]", "return [\n        x\n    ]"),
        ("return y((x,),)", "return y((x,))"),
        ("if x: return y", "if x:\n\n        return y"),
        ("x = 1; return x", "x = 1\n    return x"),
        ("x: (int) = 1", "x = 1"),
        ("def g(a: int = 1, *b: str) -> int: return a", "def g(a=1, *b):\n        'says'\n        return a"),
    ],
)
def test_what_only_looks_like_a_change_is_layout(lakefiles: Lakefiles, one: str, other: str) -> None:
    text = "def monthly_orders(x, y, z):\n    {}\n"
    assert lakefiles.differing(text.format(one), text.format(other)) == []


def test_text_beyond_ascii_is_cut_at_the_right_columns(lakefiles: Lakefiles) -> None:
    text = "monthly_orders, é = (lambda x: ('日本', x, {})), ('ß', lambda é: {})\n"
    version = lakefiles.version(text.format(1, 1))
    assert version == lakefiles.version("é, monthly_orders = '日本語', (lambda x: (  '日本', x, 1))\n")
    assert version == lakefiles.version(text.format(1, 2))
    assert version != lakefiles.version(text.format(2, 1))


def test_decorators_of_the_function_are_left_out_and_those_within_are_not(lakefiles: Lakefiles) -> None:
    text = """
        def same(f): return f
        def given(n): return same
        {}
        def monthly_orders():
            @{}
            def g(): return 1
            return g
    """
    assert lakefiles.differing(text.format("@same", "same"), text.format("@given(2)", "same")) == []
    assert "monthly_orders" in lakefiles.differing(text.format("@same", "same"), text.format("", "given(1)"))


def test_what_a_project_decorator_wraps_is_followed(lakefiles: Lakefiles) -> None:
    text = """
        import functools
        def logged(f):
            @functools.wraps(f)
            def wrapper(*args): return f(*args){}
            return wrapper
        @logged
        def to_cents(x): return x * {}
        @functools.lru_cache(maxsize=None)
        def cached(x): return x * {}
        def monthly_orders(x): return to_cents(x) + cached(x)
    """
    base = text.format("", 1, 1)
    assert lakefiles.differing(base, text.format(" + 1", 1, 1)) == ["helper to_cents"]
    assert lakefiles.differing(base, text.format("", 2, 1)) == ["helper to_cents (2)"]
    assert lakefiles.differing(base, text.format("", 1, 2)) == ["helper cached"]


def test_a_lambda_is_told_from_its_neighbours_on_the_line(lakefiles: Lakefiles) -> None:
    text = "first, monthly_orders, last = lambda x: {}, lambda x: (lambda y: y + {}), lambda x: {}\n"
    base = text.format(1, 2, 3)
    assert lakefiles.differing(base, text.format(9, 2, 9)) == []
    assert lakefiles.differing(base, text.format(1, 9, 3)) == ["<lambda>"]


def test_a_lambda_helper_goes_by_the_name_it_is_bound_to(lakefiles: Lakefiles) -> None:
    text = "cents = lambda x: x * {}\ndef monthly_orders(x): return cents(x)\n"
    assert lakefiles.differing(text.format(1), text.format(2)) == ["helper cents"]


def test_recursion_ends_and_a_change_on_the_way_round_is_named(lakefiles: Lakefiles) -> None:
    text = """
        TABLE = {{}}
        def even(n): return n == 0 or odd(n - 1)
        def odd(n): return n != {} and TABLE["even"](n - 1)
        TABLE["even"], TABLE["odd"], TABLE["table"] = even, odd, TABLE
        def monthly_orders(n): return even(n) or monthly_orders(n - 1)
    """
    assert lakefiles.differing(text.format(0), text.format(1)) == ["helper odd"]


def test_names_loaded_by_inner_functions_comprehensions_and_classes_count(lakefiles: Lakefiles) -> None:
    text = """
        A, B, C, D, E = {}
        def monthly_orders(x):
            class Inner:
                d = D
                def method(self): return E
            return [A for _ in x], (lambda: B), {{c: C for c in x}}, Inner
    """
    for number, name in enumerate("ABCDE"):
        values = [0, 0, 0, 0, 0]
        values[number] = 1
        assert lakefiles.differing(text.format([0] * 5), text.format(values)) == [f"global {name}"]


def test_a_module_of_the_project_is_followed_by_the_attributes_named(lakefiles: Lakefiles) -> None:
    user = """
        import math
        import helpers_of_test as helpers
        def monthly_orders(x): return helpers.to_cents(x) * helpers.RATE * math.pi
    """
    helpers = "RATE = {}\nUNUSED = {}\ndef to_cents(x): return x * {}\n"

    def parts(*numbers: int) -> tuple[tuple[str, str], ...]:
        lakefiles.load(helpers.format(*numbers), "helpers_of_test")
        return lakefiles.version(user).parts

    base = parts(1, 1, 1)
    assert changed(base, parts(1, 22, 1)) == []
    assert changed(base, parts(333, 1, 1)) == ["global helpers.RATE"]
    assert changed(base, parts(1, 1, 4444)) == ["helper to_cents"]


@pytest.mark.parametrize(
    ("line", "call"),
    [
        ("import helpers_of_test", "helpers_of_test.to_cents(x)"),
        ("import helpers_of_test as h", "h.to_cents(x)"),
        ("from helpers_of_test import to_cents as c", "c(x)"),
    ],
)
def test_an_import_inside_the_function_is_followed(lakefiles: Lakefiles, line: str, call: str) -> None:
    user = f"def monthly_orders(x):\n    import math, polars.selectors, not_there\n    {line}\n    return {call}\n"
    lakefiles.load("def to_cents(x): return x\n", "helpers_of_test")
    before = lakefiles.version(user)
    lakefiles.load("def to_cents(x): return x * 10000\n", "helpers_of_test")
    assert changed(before.parts, lakefiles.version(user).parts) == ["helper to_cents"]


def test_a_module_of_the_project_used_whole_is_refused(lakefiles: Lakefiles) -> None:
    lakefiles.load("RATE = 1\n", "helpers_of_test")
    with pytest.raises(DefinitionError) as caught:
        lakefiles.version("import helpers_of_test as h\ndef monthly_orders(x): return getattr(h, x)\n")
    assert caught.value.message == ("monthly_orders uses 'h' (a module, as a whole), whose version cannot be told")
    assert caught.value.help == "load what is needed by its name, as in h.something"


CLASSES = """
    import dataclasses, enum, functools
    from typing import NamedTuple
    RATE = 1
    def scale(x): return x * 1
    class Base:
        def base(self): return 1
    @dataclasses.dataclass(frozen=True)
    class Money(Base):
        '''Says.'''
        cents: int = 5
        @property
        def scaled(self): return scale(self.cents)
        @functools.lru_cache
        def cached(self): return RATE
        def copy(self): return Money(self.cents)
    class Color(enum.Enum):
        RED = "r"
    class Pair(NamedTuple):
        a: int = 1
    PRICE, SHADE, PAIR = Money(7), Color.RED, Pair(1)
    def monthly_orders(x): return PRICE, SHADE, PAIR
"""


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("'''Says.'''", "", []),
        ("return x * 1", "return x * 2", ["helper scale"]),
        ("RATE = 1", "RATE = 2", ["global RATE"]),
        ("def base(self): return 1", "def base(self): return 2", ["class Base"]),
        ("frozen=True", "frozen=False", ["class Money"]),
        ("cents: int", "cents: float", ["class Money"]),
        ("Money(7)", "Money(8)", ["global PRICE"]),
        ("Pair(1)", "Pair(2)", ["global PAIR"]),
        ('RED = "r"', 'RED = "s"', ["attribute Color.RED", "class Color", "global SHADE"]),
    ],
)
def test_classes_are_followed_through_instances(lakefiles: Lakefiles, old: str, new: str, names: list[str]) -> None:
    assert sorted(lakefiles.differing(CLASSES, CLASSES.replace(old, new, 1))) == names


STRUCTS = """
    import msgspec
    class Money(msgspec.Struct, frozen=True):
        cents: int = 5
        def scaled(self): return self.cents * 1
    PRICE = Money(7)
    def monthly_orders(x): return PRICE
"""


@pytest.mark.parametrize(
    ("old", "new", "names"),
    [
        ("frozen=True", "eq=False", ["class Money"]),
        ("cents: int", "cents: float", ["class Money"]),
        ("self.cents * 1", "self.cents * 2", ["class Money"]),
        ("Money(7)", "Money(8)", ["global PRICE"]),
    ],
)
def test_structs_are_followed_like_dataclasses(lakefiles: Lakefiles, old: str, new: str, names: list[str]) -> None:
    assert sorted(lakefiles.differing(STRUCTS, STRUCTS.replace(old, new, 1))) == names


DECLARED = """
    from lakehouse import Categories, Hourly, Keys, Monthly, Periods, between
    HELD = [Monthly("2018-01"), Hourly("2018-01-01"), Categories("region", ["eu", "us"]), Periods(-2, 0), Keys(["a"])]
    CHECK = between("total", 0, 5).rule
    def monthly_orders(x): return HELD, CHECK
"""


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ('Monthly("2018-01")', 'Monthly("2018-02")', "global HELD"),
        ('Monthly("2018-01")', 'Monthly("2018-01", end="2019-01")', "global HELD"),
        ('Monthly("2018-01")', 'Daily("2018-01-01")', "global HELD"),
        ('Hourly("2018-01-01")', 'Hourly("2018-01-01", timezone="Asia/Kolkata")', "global HELD"),
        ('"eu", "us"', '"us", "eu"', "global HELD"),
        ("Periods(-2, 0)", "Periods(-1, 0)", "global HELD"),
        ('Keys(["a"])', 'Keys(["b"])', "global HELD"),
        ("0, 5", "0, 6", "global CHECK"),
    ],
)
def test_what_a_lakefile_declares_is_told_by_what_it_was_given(
    lakefiles: Lakefiles, old: str, new: str, name: str
) -> None:
    text = DECLARED.replace("import Categories", "import Daily, Categories")
    assert lakefiles.differing(text, text.replace(old, new, 1)) == [name]


def test_a_definition_has_one_version_whatever_it_was_asked(lakefiles: Lakefiles) -> None:
    """A definition keeps what it has worked out; that is no part of what it is."""
    module = lakefiles.load("""
        from lakehouse import Categories, Monthly
        MONTHS = Categories("region", ["eu", "us"]) * Monthly("2018-01")
        def monthly_orders(x): return MONTHS
    """)
    before = code_version(module.monthly_orders)
    assert module.MONTHS.order("region=us/partition_date=2018-03") == ((1, ""), 2)
    assert code_version(module.monthly_orders) == before


VALUES = [
    "None",
    "True",
    "1",
    "1.0",
    "-0.0",
    "0.0",
    "'1'",
    "b'1'",
    "10 ** 5000",
    "Decimal('1.0')",
    "Decimal('1.00')",
    "dt.date(2018, 1, 1)",
    "dt.datetime(2018, 1, 1)",
    "dt.datetime(2018, 1, 1, tzinfo=dt.UTC)",
    "dt.datetime(2018, 1, 1, tzinfo=ZoneInfo('UTC'))",
    "dt.datetime(2018, 1, 1, fold=1)",
    "dt.time(1)",
    "dt.timedelta(1)",
    "Path('a')",
    "re.compile('a')",
    "re.compile('a', re.I)",
    "[1, 2]",
    "(1, 2)",
    "{1, 2}",
    "frozenset({1, 2})",
    "{1: 2, 2: 1}",
    "{2: 1, 1: 2}",
    "range(3)",
    "partial(round, ndigits=2)",
    "partial(round, ndigits=3)",
    "'a'.join",
    "'b'.join",
    "str.upper",
    "int",
    "type(None)",
    "len",
    "math",
    "math.floor",
    "dict.fromkeys",
    "list[int]",
    "pl.Int64",
    "pl.Datetime",
    "pl.Datetime('us')",
    "pl.Datetime('us', 'UTC')",
    "pl.Enum(['a'])",
    "{'a': pl.Int64}",
    "pl.Schema({'a': pl.Int64})",
    "pl.Schema({'a': pl.Int32})",
    "pl.col",
    "pl.col('a')",
    "pl.col('a') + 1",
    "pl.when(True).then(1)",
    "cs.numeric()",
    "pl.Series('a', [1])",
    "pl.Series('a', [1], dtype=pl.Int8)",
    "pl.Series('a', [1], dtype=pl.Datetime('ns'))",
    "pl.Series('a', [2], dtype=pl.Datetime('ns'))",
    "pl.Series('a', ['x'], dtype=pl.Categorical)",
    "pl.DataFrame({'a': [1]})",
    "pl.DataFrame({'b': [1]})",
    "logging.getLogger('x')",
]
IMPORTS = """\
import datetime as dt, logging, math, re
from decimal import Decimal
from functools import partial
from pathlib import Path
from zoneinfo import ZoneInfo
import polars as pl, polars.selectors as cs
"""


def test_values_that_differ_have_versions_that_differ_and_equal_ones_the_same(lakefiles: Lakefiles) -> None:
    made = "\n".join(f"{IMPORTS}VALUES = [{', '.join(VALUES)}]".splitlines())
    first, second = lakefiles.load(made).VALUES, lakefiles.load(made).VALUES
    digests = [value_digest(value) for value in first]
    assert len(set(digests)) == len(VALUES)
    assert digests == [value_digest(value) for value in second]


@pytest.mark.parametrize(
    ("made", "kind"),
    [
        ("sqlite3.connect(':memory:')", "sqlite3.Connection"),
        ("[{'a': object()}]", "object"),
        ("pl.LazyFrame({'a': [1]})", "polars.LazyFrame"),
        ("pl.col('a').map_batches(lambda s: s)", "polars.Expr"),
        ("pl.when(True)", "polars.expr.whenthen.When"),
        ("iter([])", "list_iterator"),
        ("type('Made', (), {})", "class {module}.Made"),
    ],
)
def test_what_has_no_version_is_refused_with_its_name_place_and_cure(
    lakefiles: Lakefiles, made: str, kind: str
) -> None:
    text = f"import sqlite3\n{IMPORTS}conn = {made}\n\n"
    text += "def helper(x): return conn\n\ndef monthly_orders(x): return helper(x)\n"
    module = lakefiles.load(text)
    with pytest.raises(DefinitionError) as caught:
        code_version(module.monthly_orders)
    shown = kind.format(module=module.__name__)
    if made.startswith("sqlite3"):
        module.conn.close()
    assert caught.value.lines() == [
        f"helper uses 'conn' ({shown}), whose version cannot be told",
        f"  {module.__name__}.py:10",
        '  help: give the asset version="1" and raise it when the code changes',
    ]
    assert caught.value.code == "version-unknown"


def test_an_opaque_object_stands_for_itself_by_the_name_given(lakefiles: Lakefiles) -> None:
    text = "lake = object()\ndef monthly_orders(x): return lake, [lake]\n"
    one, other = lakefiles.load(text), lakefiles.load(text)
    first = code_version(one.monthly_orders, opaque={id(one.lake): "lake"})
    assert first == code_version(other.monthly_orders, opaque={id(other.lake): "lake"})
    assert first != code_version(other.monthly_orders, opaque={id(other.lake): "another"})


def test_a_name_that_is_not_defined_is_no_error_and_defining_it_is_a_change(lakefiles: Lakefiles) -> None:
    text = "def monthly_orders(x): return RATE\n"
    assert lakefiles.differing(text, text + "RATE = 1\n") == ["monthly_orders", "global RATE"]


def test_two_globals_of_one_name_in_two_modules_are_two_parts(lakefiles: Lakefiles) -> None:
    user = "from helpers_of_test import to_cents\nRATE = {}\ndef monthly_orders(x): return to_cents(x) * RATE\n"
    helpers = "RATE = {}\ndef to_cents(x): return x * RATE\n"

    def version(own: int, theirs: int) -> CodeVersion:
        lakefiles.load(helpers.format(theirs), "helpers_of_test")
        return lakefiles.version(user.format(own))

    digests = [version(own, theirs).digest for own, theirs in [(1, 1), (1, 2), (2, 1), (2, 2)]]
    assert len(set(digests)) == 4


def test_where_a_module_lies_and_what_it_is_called_is_no_matter(lakefiles: Lakefiles, tmp_path: Path) -> None:
    text = BASE + "\n    def uses_file(): return __file__, __name__, monthly_orders\n"
    before = lakefiles.version(text, "uses_file")
    (tmp_path / "elsewhere").mkdir()
    lakefiles.folder = tmp_path / "elsewhere"
    assert lakefiles.version(text, "uses_file") == before


def test_a_function_without_source_is_refused() -> None:
    namespace: dict[str, object] = {"__name__": "made"}
    exec("def monthly_orders(x):\n    return x\n", namespace)  # noqa: S102
    function = namespace["monthly_orders"]
    assert callable(function)
    with pytest.raises(DefinitionError, match="the source text of monthly_orders cannot be read"):
        code_version(function)


def test_a_file_that_no_longer_holds_the_function_is_refused(lakefiles: Lakefiles) -> None:
    module = lakefiles.load("def monthly_orders(x): return x\n")
    Path(str(module.__file__)).write_text("# moved\n\n\ndef monthly_orders(x): return x\n")
    with pytest.raises(DefinitionError, match="cannot be read"):
        code_version(module.monthly_orders)
    Path(str(module.__file__)).write_text("def monthly_orders(x) return x, broken\n")
    with pytest.raises(DefinitionError, match="cannot be read"):
        code_version(module.monthly_orders)


def test_methods_partials_and_wrapped_functions_have_versions_too(lakefiles: Lakefiles) -> None:
    text = """
        import functools
        class Reader:
            def __call__(self, x): return {0}
            @classmethod
            def read(cls, x): return {0}
        def plain(x, y): return {0}
        method, bound = Reader.read, functools.partial(plain, {1})
    """
    for name in ("method", "bound"):
        base = lakefiles.version(text.format(1, 1), name)
        assert base == lakefiles.version(text.format(1, 1), name)
        assert base.digest != lakefiles.version(text.format(2, 1), name).digest
    assert lakefiles.differing(text.format(1, 1), text.format(1, 2), "bound") == ["partial"]


def test_a_function_made_by_a_library_is_what_it_was_made_with(lakefiles: Lakefiles) -> None:
    library = "def retry(f):\n    def wrapper(x):\n        return f(x)\n    return wrapper\n"
    user = (
        "from library_of_test import retry\n@retry\ndef cents(x): return x * {}\n"
        "def monthly_orders(x): return cents(x)\n"
    )
    lakefiles.load(library, "library_of_test")

    def version(number: int) -> CodeVersion:
        module = lakefiles.load(user.format(number))
        return code_version(module.monthly_orders, project=lambda filename: "library" not in filename)

    assert changed(version(1).parts, version(2).parts) == ["helper cents"]


HASHED = """
    import polars as pl
    NAMES = {"a", "b", "c", "dd", "eee"}
    NESTED = {"x": frozenset({("a", 1), ("b", 2)}), "y": {None, True, "z"}}
    DTYPES = {"id": pl.Int64, "at": pl.Datetime("us", "UTC")}
    CLEAN = pl.col("a").is_in(["x", "y"]).replace_strict({"a": 1, "b": 2}, default=None)
    def helper(x): return x in NAMES
    def monthly_orders(x): return x.select(CLEAN), NESTED, DTYPES, helper(x), object, print, pl.col("b")
"""


def test_processes_of_different_hash_seeds_agree(tmp_path: Path) -> None:
    (tmp_path / "lakefile.py").write_text(textwrap.dedent(HASHED))
    program = (
        "import json, lakefile; from lakehouse.versions import code_version;"
        "print(json.dumps(code_version(lakefile.monthly_orders).parts))"
    )

    def parts(seed: str) -> list[list[str]]:
        environment = {**os.environ, "PYTHONHASHSEED": seed, "PYTHONPATH": f"{ROOT}{os.pathsep}{tmp_path}"}
        shown = subprocess.run(
            [sys.executable, "-c", program], env=environment, check=True, capture_output=True, text=True
        )
        found: list[list[str]] = json.loads(shown.stdout)
        return found

    first = parts("1")
    assert [name for name, _ in first][:2] == ["monthly_orders", "global CLEAN"]
    assert first == parts("2") == parts("31337")


def test_every_python_gives_the_same_digest(lakefiles: Lakefiles) -> None:
    """Written down once: another Python that splits tokens otherwise would come out with another digest."""
    text = '''
        RATE = 100
        def to_cents(x: int, *rest: int) -> dict[str, int]:
            """Says."""
            names = [f"{x!r:>{RATE}} {{}} {f'{x}'}" for x in rest]
            return {"a": (x,), **{n: RATE for n in names}} if x else lambda: f"""
              {x}"""
        def monthly_orders(x):
            class Row:
                a: int = 1
            return to_cents(x), Row
    '''
    assert lakefiles.version(text).digest == GOLDEN


GOLDEN = "5f0a1d431e827390fe8a552056f374f4911d74457338e5e337a9c996eb8770fd"


def test_an_f_string_is_one_token_as_written() -> None:
    source = parse(F_STRINGS)
    assert Reading(source, source.functions[0]).tokens == F_STRING_TOKENS


def test_an_f_string_that_comes_in_pieces_is_put_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """As Python 3.12 and later give it, one within another too; told here by hand, to be tried on any Python."""
    start, middle, end = 1001, 1002, 1003
    names = {start: "FSTRING_START", middle: "FSTRING_MIDDLE", end: "FSTRING_END"}
    monkeypatch.setattr(tokenize, "tok_name", tokenize.tok_name | names)
    whole = list(tokenize.generate_tokens(io.StringIO(F_STRINGS).readline))
    monkeypatch.setattr(tokenize, "generate_tokens", lambda _: in_pieces())

    def in_pieces() -> Iterator[tokenize.TokenInfo]:
        for token in whole:
            if token.string[:2] not in {"f'", 'f"'}:
                yield token
                continue
            (row, column), line = token.start, token.line
            inside = (row, column + 2), (row, column + 3)
            yield tokenize.TokenInfo(start, "f'", token.start, inside[0], line)
            yield tokenize.TokenInfo(start, "f'", *inside, line)
            yield tokenize.TokenInfo(tokenize.NAME, "x", *inside, line)
            yield tokenize.TokenInfo(end, "'", *inside, line)
            yield tokenize.TokenInfo(middle, "a", *inside, line)
            yield tokenize.TokenInfo(end, "'", token.end, token.end, line)

    source = parse.__wrapped__(F_STRINGS)
    assert Reading(source, source.functions[0]).tokens == F_STRING_TOKENS


F_STRINGS = "x = 1\ndef f():\n    return f'a{x:>{x}}' f'''b\n {x}''' + ''\n"
F_STRING_TOKENS = [
    "def", "f", "(", ")", ":", "\n+", "return", "f'a{x:>{x}}'", "f'''b\n {x}'''", "+", "''", "\n-",
]  # fmt: skip


def test_the_users_files_are_those_neither_installed_nor_of_python_nor_of_the_library(tmp_path: Path) -> None:
    assert is_project_file(str(tmp_path / "lakefile.py"))
    assert is_project_file(str(ROOT / "lakehouse" / "examples" / "jaffle_shop.py"))
    assert is_project_file(str(ROOT / "lakehouse_of_mine" / "lakefile.py"))
    assert is_project_file("<stdin>")
    assert not is_project_file(str(ROOT / "lakehouse" / "versions.py"))
    assert not is_project_file(str(tmp_path / ".venv/lib/python3.11/site-packages/helpers.py"))
    assert not is_project_file(str(pl.__file__))
    assert not is_project_file(functools.__file__)
    assert not is_project_file("<frozen os>")


def test_changed_tells_what_differs_then_what_came_then_what_went() -> None:
    old = [("f", "1"), ("helper g", "2"), ("global A", "3")]
    new = [("f", "9"), ("helper h", "2"), ("global A", "3")]
    assert changed(old, new) == ["f", "helper h", "helper g"]


def test_digest_of_is_the_sha256_of_sorted_compact_json() -> None:
    # printf '%s' '{"a":"1","b":"\u00e9"}' | sha256sum
    expected = "1e2ce7c414b7baaf92d946007db7a04298839eed25a82871b000c0a91eb7a0ed"
    assert digest_of({"b": "é", "a": "1"}) == expected


def test_importing_versions_imports_no_engine() -> None:
    program = "import sys, lakehouse.versions; print({'polars', 'duckdb', 'pyarrow'} & set(sys.modules))"
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    shown = subprocess.run([sys.executable, "-c", program], env=environment, check=True, capture_output=True)
    assert shown.stdout == b"set()\n"
