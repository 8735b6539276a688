"""Schedulers answer to every way people write their names."""

from __future__ import annotations

import pytest

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.schedulers import SchedulerName


@pytest.mark.parametrize("name", SchedulerName)
def test_a_scheduler_is_found_by_value_and_by_label(name: SchedulerName) -> None:
    for written in (name.value, name.label, name.label.upper(), name.value.replace("-", "_")):
        assert SchedulerName.parse(written) is name


@pytest.mark.parametrize("name", SchedulerName)
def test_a_scheduler_is_explained(name: SchedulerName) -> None:
    assert name.explanation.endswith(".")


def test_no_two_schedulers_share_a_label() -> None:
    assert len({name.label for name in SchedulerName}) == len(SchedulerName)


def test_an_unknown_scheduler_is_refused_by_naming_all() -> None:
    with pytest.raises(RequestError) as caught:
        SchedulerName.parse("fastest")
    for name in SchedulerName:
        assert name.value in str(caught.value)
