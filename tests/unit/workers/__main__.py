"""Starts the fake worker: `python -m tests.unit.workers`."""

from __future__ import annotations

from tests.unit.workers.fake_worker import HOST

HOST.serve()
