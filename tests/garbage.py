"""Leaves garbage where it is while something small is converted in a test's process."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager

import pytest


@contextmanager
def without_garbage_collections() -> Iterator[None]:
    """Make explicit collections do nothing: converters request several per part, to bound the memory of gigabytes of
    weights, and in a process that has loaded torch and diffusers each takes longer than converting a tiny part."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gc, "collect", lambda *_: 0)
        patch.setattr(gc, "unfreeze", lambda: None)  # it would also undo `tests/conftest.py`'s freeze
        yield
