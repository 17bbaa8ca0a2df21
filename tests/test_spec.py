"""Words with arguments."""

import pytest

from restore.errors import UsageError
from restore.options.spec import number, parse


def factories(name):
    if name != "pair":
        raise UsageError(f"unknown thing {name!r}")
    return lambda left=0, right=0: (left, right)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("pair", (0, 0)),
        ("pair:left=2", (2, 0)),
        ("pair: left = 2 ,right=-0.5", (2, -0.5)),
        ("pair:right=1e-3", (0, 0.001)),
        ("pair:left=two,right=2", ("TWO", 2)),
    ],
)
def test_arguments_are_numbers_unless_a_key_is_read_otherwise(text, found):
    readers = {"left": str.upper} if "two" in text else {}
    assert parse("thing", text, factories, readers) == found


def test_a_number_is_whole_where_only_digits_are_written():
    assert [type(number(text)) for text in ("3", "3.0", "3e0", "-3")] == [int, float, float, float]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("pear", "unknown thing 'pear'"),
        ("pair:left=x", "thing pair: 'left=x' is not key=number"),
        ("pair:left", "thing pair: 'left' is not key=number"),
        ("pair:middle=1", "thing pair: .*middle.*; write NAME:key=value,key=value"),
    ],
)
def test_what_cannot_be_read_is_a_usage_error(text, said):
    with pytest.raises(UsageError, match=said):
        parse("thing", text, factories)


def test_errors_of_a_reader_are_its_own():
    def refuse(text):
        raise UsageError("no such part")

    with pytest.raises(UsageError, match=r"^no such part$"):
        parse("thing", "pair:left=x", factories, {"left": refuse})
