"""Numbers as users type and paste them, in any locale."""

from __future__ import annotations

import pytest

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.number_parsing import parse_float, parse_int
from sdxl_desktop.core.range_check import check_range
from sdxl_desktop.core.request import MAX_SEED, Sampling
from sdxl_desktop.core.seeds import parse_seed


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3.5", 3.5), ("3,5", 3.5), ("0.5", 0.5), (",5", 0.5), ("5.", 5.0), ("-0,25", -0.25), ("−2", -2.0),
        ("1.234,5", 1234.5), ("1,234.5", 1234.5), ("1 234,5", 1234.5), ("1'234.5", 1234.5), ("1,234,567", 1234567.0),
        ("1,234", 1.234), ("1.234", 1.234), (" 3.5\n", 3.5), ("\u00a03,5\u202f", 3.5), ("\ufeff7", 7.0),
        ("３．５", 3.5), ("٣٫٥", 3.5), ("७.५", 7.5), ("1e-2", 0.01),
    ],
)  # fmt: skip
def test_every_way_to_write_a_number_is_read(text: str, value: float) -> None:
    assert parse_float(text) == value


@pytest.mark.parametrize(
    "text", ["", "abc", "3.5px", "1,2,3", "1.2.3", "--3", "nan", "inf", "1_000", "3 5", "9" * 5000]
)
def test_what_is_no_number_is_refused_briefly(text: str) -> None:
    with pytest.raises(RequestError) as refused:
        parse_float(text)
    assert len(str(refused.value)) < 150


@pytest.mark.parametrize(
    ("text", "value"),
    [("1024", 1024), ("30.0", 30), ("4 294 967 295", MAX_SEED), ("4.294.967.295", MAX_SEED), ("١٢", 12), ("12\n", 12)],
)
def test_whole_numbers_may_be_grouped(text: str, value: int) -> None:
    assert parse_int(text) == value


@pytest.mark.parametrize("text", ["1,024", "1.024", "12.5", "2e3", "0x10"])
def test_what_may_be_a_fraction_is_no_whole_number(text: str) -> None:
    with pytest.raises(RequestError):
        parse_int(text)


@pytest.mark.parametrize("text", ["-1", "", "  ", "−1", "Random"])
def test_a_random_seed_is_asked_for_as_in_other_programs(text: str) -> None:
    assert parse_seed(text) is None


@pytest.mark.parametrize("text", [str(2**32), "156680208700286", str(2**64 - 1), "-2", "1.5", "seed"])
def test_a_seed_that_there_is_not_is_refused_whole(text: str) -> None:
    with pytest.raises(RequestError):
        parse_seed(text)
    assert parse_seed(f" {MAX_SEED}\n") == MAX_SEED


def test_messages_give_numbers_in_whole_digits() -> None:
    with pytest.raises(RequestError) as refused:
        Sampling(seed=2**64 - 1)
    assert "18446744073709551615" in str(refused.value)
    assert "between 0 and 4294967295" in str(refused.value)
    with pytest.raises(RequestError, match="longer than"):
        check_range("It", 10**5000, 0, 1)
