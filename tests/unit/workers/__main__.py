"""Starts the pretended worker: `python -m tests.unit.workers`."""

from __future__ import annotations

from tests.unit.workers.pretended import HOST

HOST.serve()
