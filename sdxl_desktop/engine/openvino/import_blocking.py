"""Imports libraries without unused optional dependencies."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def block_import(name: str) -> Iterator[None]:
    """Make imports of the module `name` fail in the body, unless it is already loaded; for libraries that work without
    it.

    diffusers imports torch's compiler (`torch._dynamo`) only to mark classes for it, and works without it. This saves a
    third of its import time.
    """
    modules: dict[str, Any] = sys.modules
    if name in modules:
        yield
        return
    modules[name] = None
    try:
        yield
    finally:
        del modules[name]
