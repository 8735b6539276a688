"""One display for all tests of the real window."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e import window_driver


@pytest.fixture(scope="session")
def display() -> Iterator[str]:
    with window_driver.display() as name:
        yield name
