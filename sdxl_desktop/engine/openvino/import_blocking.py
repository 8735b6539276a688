"""Importing libraries without what they would load and we never use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


@contextmanager
def block_import(name: str) -> Iterator[None]:
    """Importing the module `name` fails meanwhile, unless it is loaded already; for libraries that do without it.

    diffusers asks for torch's compiler (`torch._dynamo`) only to mark classes for it, and goes on when there is none:
    a third of the time that its import takes.
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
