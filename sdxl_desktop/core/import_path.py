"""Removes the current working folder from Python's module search path.

That may be a folder of downloads, where a file called `httpx.py` would be run in place of the library. This module runs
before that folder is removed, so it imports only modules that Python itself has already loaded.
"""

from __future__ import annotations

import os
import sys


def drop_current_folder() -> None:
    """Remove the current folder from `sys.path`; `python -m` or an empty or relative PYTHONPATH entry adds it."""
    if getattr(sys, "frozen", False):
        return
    try:
        here = os.getcwd()
    except OSError:  # it was removed
        return
    unwanted = {os.path.realpath(entry or here) for entry in _relative_entries()}
    if _started_with_m():
        unwanted.add(os.path.realpath(here))
    installed = {os.path.realpath(os.path.dirname(os.__file__))}
    sys.path[:] = [
        entry
        for entry in sys.path
        if entry and (os.path.realpath(entry) not in unwanted or os.path.realpath(entry) in installed)
    ]


def absolute_entries(path: str) -> list[str]:
    """Return the absolute entries of a PYTHONPATH."""
    return [entry for entry in path.split(os.pathsep) if os.path.isabs(entry)]


def _relative_entries() -> list[str]:
    given = os.environ.get("PYTHONPATH", "")
    return [entry for entry in given.split(os.pathsep) if not os.path.isabs(entry)] if given else []


def _started_with_m() -> bool:
    return bool(sys.path) and not sys.flags.safe_path and sys.path[0] in ("", os.getcwd())
