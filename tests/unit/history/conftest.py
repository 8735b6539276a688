from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.history.pictures import Work, work_in


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    with work_in(tmp_path) as work:
        yield work
