"""Every scheduler that draws with an ordinary checkpoint, for tests that take time; variants of one class are slow."""

from __future__ import annotations

from typing import Any

import pytest

from sdxl_desktop.core.schedulers import NON_EDM_SCHEDULERS, SchedulerName

ONE_OF_EACH_CLASS = tuple({name.class_name: name for name in reversed(NON_EDM_SCHEDULERS)}.values())
FAST_SUBSET = (*ONE_OF_EACH_CLASS, SchedulerName.DPMPP_2M_KARRAS, SchedulerName.DPMPP_3M_SDE_KARRAS)
"""One of each class of diffusers, another spacing, and the longest memory together with noise of its own."""


def scheduler_params() -> list[Any]:
    """Parameters for `pytest.mark.parametrize`."""
    return [
        pytest.param(name, id=name.value, marks=[pytest.mark.slow] * (name not in FAST_SUBSET))
        for name in NON_EDM_SCHEDULERS
    ]
