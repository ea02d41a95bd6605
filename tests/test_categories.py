"""Laws of keys that are listed one by one: which are refused, their order, and the words of their errors."""

from __future__ import annotations

import pickle
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lakehouse.errors import DefinitionError, LakeError, PartitionKeyError
from lakehouse.partitions import Categories, Dimension, Dynamic

NOW = datetime(2026, 11, 20, 9, 12, tzinfo=UTC)
REGIONS = Categories("region", ["eu", "us", "apac"])
METHODS = Dynamic("payment_method")
TOLD = METHODS.with_keys({"payment_method": ["gift_card", "coupon", "bank_transfer"]})
texts = st.lists(st.sampled_from("abcdefgh"), min_size=1, unique=True)


def refusal(kind: type[Dimension], *args: Any) -> tuple[str, str | None]:
    """Message and help of the error, the place taken off the message once it is seen to be right."""
    with pytest.raises(DefinitionError) as caught:
        kind(*args)
    place = f" (test_categories.py:{refusal.__code__.co_firstlineno + 3})"
    assert caught.value.message.endswith(place)
    return caught.value.message.removesuffix(place), caught.value.help


def unknown(dimension: Dimension, key: str) -> LakeError:
    with pytest.raises(PartitionKeyError) as caught:
        dimension.check(key, NOW, "orders", "lakefile.py:9")
    assert caught.value.code == "partition-unknown"
    return caught.value


@pytest.mark.parametrize(
    ("values", "what", "cure"),
    [
        ([], "expected one value or more", None),
        ((), "expected one value or more", None),
        ("eu", "expected a list of texts, not 'eu'", "did you mean ['eu']?"),
        ({"eu"}, "expected a list of texts, not {'eu'}", None),
        (7, "expected a list of texts, not 7", None),
        ([2018], "2018 is no text", "cast it: str(2018)"),
        (["eu", True], "True is no text", "cast it: str(True)"),
        ([None], "None is no value", None),
        (["eu", "us", "eu"], "'eu' is there twice", None),
        ([""], "'' cannot be a value of region: readers take it for no value at all", None),
        ([".."], "'..' cannot be a value of region: readers take it for no value at all", None),
        (
            ["__HIVE_DEFAULT_PARTITION__"],
            "'__HIVE_DEFAULT_PARTITION__' cannot be a value of region: readers take it for no value at all",
            None,
        ),
        (["a\ud800"], "'a\\ud800' cannot be a value of region: it is no Unicode text", None),
        (["x" * 249], f"a value of region is too long for a folder's name: '{'x' * 40}'…", None),
        (["eu", "EU"], "'eu' and 'EU' are one folder where case or composed accents make no difference", None),
        (
            ["é", "e\u0301"],
            "'é' and 'e\u0301' are one folder where case or composed accents make no difference",
            None,
        ),
        (["ß", "ss"], "'ß' and 'ss' are one folder where case or composed accents make no difference", None),
    ],
)
def test_a_value_that_cannot_be_a_key_is_refused_at_its_line(values: Any, what: str, cure: str | None) -> None:
    assert refusal(Categories, "region", values) == (f"Categories('region', …): {what}", cure)


@pytest.mark.parametrize("column", ["", "1st", "a b", "a-b", "é", "a\n", None, 7])
def test_a_column_that_is_no_name_is_refused(column: Any) -> None:
    what = "is not a column name: expected letters, digits and _, no digit first"
    assert refusal(Categories, column, ["eu"]) == (f"Categories(column={column!r}) {what}", None)
    assert refusal(Dynamic, column) == (f"Dynamic(column={column!r}) {what}", None)


def test_values_that_only_look_odd_are_keys() -> None:
    odd = ["all", "latest", "a b", "c,d", "e/f", "g*", "2018", "nan", "true", "é", "東京", "x" * 240]
    assert Categories("region", odd).keys(NOW) == odd


@given(texts)
def test_keys_stand_in_declared_order_and_those_unknown_after_them_by_their_text(values: list[str]) -> None:
    categories = Categories("letter", values)
    strangers = ["zz", "a0", "m0"]
    ordered = [*values, "a0", "m0", "zz"]
    assert sorted([*strangers, *values[::-1]], key=categories.order) == ordered
    assert categories.keys(NOW) == categories.latest(NOW) == values


@given(texts, st.data())
def test_between_is_a_slice_of_the_declared_order(values: list[str], data: st.DataObject) -> None:
    places = st.integers(0, len(values) - 1)
    first, last = data.draw(places), data.draw(places)
    assert Categories("letter", values).between(values[first], values[last]) == values[first : last + 1]


@given(st.text())
def test_a_key_has_one_spelling_and_is_no_period(text: str) -> None:
    for dimension in (REGIONS, TOLD):
        assert dimension.parse(text) == dimension.parse(text, exact=True) == text
        assert dimension.coarser(text) is None
        assert not dimension.are_neighbours("eu", text)


def test_a_category_is_its_value() -> None:
    assert REGIONS.columns == ("region",)
    assert REGIONS.values("eu") == ("eu",)
    assert REGIONS.key(("eu",)) == "eu"
    assert REGIONS.dimensions == (REGIONS,)
    assert (REGIONS.time, REGIONS.window("eu"), REGIONS.unknown_columns) == (None, None, ())
    partition = REGIONS.partition("eu")
    assert (partition.key, partition.start, partition.end, partition.values) == ("eu", None, None, {"region": "eu"})


def test_extents_name_eight_and_count_the_others() -> None:
    assert REGIONS.extent(NOW) == "eu, us, apac"
    assert Categories("n", [f"n{number}" for number in range(8)]).extent(NOW) == "n0, n1, n2, n3, n4, n5, n6, n7"
    assert Categories("n", [f"n{n}" for n in range(40)]).extent(NOW) == "n0, n1, n2, n3, n4, n5, n6, n7, … (40)"
    assert METHODS.extent(NOW) == METHODS.with_keys({"payment_method": []}).extent(NOW) == "no keys yet"
    assert TOLD.extent(NOW) == "bank_transfer, coupon, gift_card"


@pytest.mark.parametrize(
    ("key", "guess", "helped"),
    [
        ("use", "us", "did you mean us?"),
        ("EU", "eu", "did you mean eu?"),
        ("mars", None, "orders has eu, us, apac"),
        ("", None, "orders has eu, us, apac"),
    ],
)
def test_an_unknown_category_is_told_the_nearest_or_which_there_are(key: str, guess: str | None, helped: str) -> None:
    error = unknown(REGIONS, key)
    assert error.lines() == [f"{key!r} is not a region of orders", f"  help: {helped}"]
    assert error.context == {"asset": "orders", "key": key, "guess": guess}
    assert unknown(Categories("area", ["eu"]), "x").message == "'x' is not an area of orders"


def test_an_unknown_dynamic_key_is_told_how_it_comes_to_be() -> None:
    assert unknown(TOLD, "coupons").lines() == [
        "'coupons' is not a payment_method of orders",
        "  help: did you mean coupon? to add it: lake partitions orders add coupons",
    ]
    assert unknown(TOLD, "a b").help == (
        "orders has bank_transfer, coupon, gift_card; to add it: lake partitions orders add 'a b'"
    )
    assert unknown(METHODS, "cash").help == "orders has no keys yet; to add it: lake partitions orders add cash"
    found = Dynamic("method", discover=True).with_keys({"method": ["card"]})
    assert unknown(found, "cart").help == "did you mean card? the data has no such value"
    assert unknown(found, "x").help == "orders has card; the data has no such value"


def test_known_keys_pass() -> None:
    for dimension in (REGIONS, TOLD):
        for key in dimension.keys(NOW):
            dimension.check(key, NOW, "orders", "lakefile.py:9")


def test_a_dynamic_definition_knows_no_keys_until_they_are_told() -> None:
    assert (METHODS.keys(NOW), METHODS.latest(NOW), METHODS.unknown_columns) == ([], [], ("payment_method",))
    assert METHODS.with_keys({"region": ["eu"]}) is METHODS
    assert TOLD.unknown_columns == METHODS.with_keys({"payment_method": []}).unknown_columns == ()
    assert METHODS.listed == ()
    assert TOLD.keys(NOW) == [*TOLD.listed] == TOLD.latest(NOW) == ["bank_transfer", "coupon", "gift_card"]
    assert TOLD.between("c", "h") == ["coupon", "gift_card"]
    assert TOLD.with_keys({"payment_method": ["b", "a", "b"]}).keys(NOW) == ["a", "b"]
    assert Dynamic("m", discover=True).with_keys({"m": ["a"]}).discover


@pytest.mark.parametrize(
    ("value", "what"),
    [
        ("", "'' cannot be a value of payment_method: readers take it for no value at all"),
        (
            "COUPON",
            "'COUPON' cannot be a value of payment_method: 'coupon' and 'COUPON' are one folder where case or",
        ),
    ],
)
def test_a_key_that_would_not_be_given_back_cannot_be_added(value: str, what: str) -> None:
    with pytest.raises(PartitionKeyError) as caught:
        TOLD.require_key(value)
    assert caught.value.message.startswith(what)


def test_a_key_may_be_added_again_or_anew() -> None:
    assert TOLD.require_key("coupon") == "coupon"
    assert TOLD.require_key("a b/c") == "a b/c"
    assert TOLD.require_keys(["x", "coupon", "x"]) == ["x", "coupon", "x"]
    with pytest.raises(PartitionKeyError, match="'x' and 'X' are one folder"):
        TOLD.require_keys(["x", "X"])


def test_what_keys_mean_does_not_change_with_their_number() -> None:
    assert (
        REGIONS.describe() == Categories("region", ["mars"]).describe() == {"kind": "categories", "column": "region"}
    )
    described = {"kind": "dynamic", "column": "payment_method"}
    assert METHODS.describe() == TOLD.describe() == Dynamic("payment_method", discover=True).describe() == described


def test_definitions_are_values() -> None:
    values = ["eu", "us", "apac"]
    same = Categories("region", values)
    values.append("mars")
    assert same == REGIONS
    assert hash(same) == hash(REGIONS)
    assert Categories("region", ["us", "eu", "apac"]) != REGIONS
    assert repr(REGIONS) == "Categories(column='region', categories=('eu', 'us', 'apac'))"
    assert repr(METHODS) == "Dynamic(column='payment_method', discover=False)"
    assert pickle.loads(pickle.dumps(REGIONS)).order("us") == REGIONS.order("us")  # noqa: S301
    assert hash(TOLD) != hash(METHODS)
