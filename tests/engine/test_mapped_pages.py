"""Mapped weights are given back only while nothing could let go of them, and pictures stay the same."""

from __future__ import annotations

import itertools
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest

from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.engine.openvino import mapped_pages
from sdxl_desktop.engine.openvino.engine import OpenVinoEngine
from sdxl_desktop.engine.openvino.infer_requests import InferRequestCache
from sdxl_desktop.engine.openvino.interruptible_request import InterruptibleInferRequest
from tests.engine.conftest import generate


@pytest.fixture
def engine(precompiled_home: AppPaths) -> Iterator[OpenVinoEngine]:
    made = OpenVinoEngine(precompiled_home)
    yield made
    made.close()


def test_they_are_given_back_and_read_again(engine: OpenVinoEngine, request_for: Any) -> None:
    expected = generate(engine, request_for()).picture.pixels
    assert (mapped_pages.trim_mapped_pages() > 0) == (sys.platform == "linux")
    assert (generate(engine, request_for()).picture.pixels == expected).all()


def test_never_during_an_inference_and_never_in_another_thread(
    engine: OpenVinoEngine, request_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """OpenVINO lets go of mappings while it infers: what lies at their addresses then must not be touched."""
    monkeypatch.setattr(mapped_pages, "TRIM_THRESHOLD_BYTES", -(10**15))
    monkeypatch.setattr(mapped_pages, "MIN_TRIM_INTERVAL_SECONDS", 0.0)
    monkeypatch.setattr(mapped_pages, "CHECK_SECONDS", 0.0)
    running: set[int] = set()
    where = []
    really, infer = mapped_pages.trim_mapped_pages, InterruptibleInferRequest.__call__

    def watched(self: InterruptibleInferRequest, inputs: Any) -> Any:
        running.add(id(self))
        try:
            return infer(self, inputs)
        finally:
            running.remove(id(self))

    def give_back() -> int:
        where.append((threading.current_thread(), set(running)))
        return really()

    monkeypatch.setattr(InterruptibleInferRequest, "__call__", watched)

    monkeypatch.setattr(mapped_pages, "trim_mapped_pages", give_back)
    steps = 4
    pictures = [generate(engine, request_for(steps=steps, count=2)).finished.pictures for _ in range(2)]
    assert len(where) >= 4 * (steps + 1)
    assert all(thread is threading.current_thread() and not inferring for thread, inferring in where)
    assert all((one.pixels == other.pixels).all() for one, other in zip(*pictures, strict=True))


def test_not_while_something_is_compiled_ahead(
    engine: OpenVinoEngine, request_for: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mapped_pages, "TRIM_THRESHOLD_BYTES", -(10**15))
    monkeypatch.setattr(InferRequestCache, "is_compiling", property(lambda _: True))
    monkeypatch.setattr(mapped_pages, "trim_mapped_pages", lambda: pytest.fail("somebody is at work"))
    generate(engine, request_for())


def test_what_keeps_coming_back_is_left_alone_ever_longer(monkeypatch: pytest.MonkeyPatch) -> None:
    now, resident, given = [100.0], [0], []

    def give_back() -> int:
        given.append(now[0])
        return 0

    monkeypatch.setattr(mapped_pages, "trim_mapped_pages", give_back)
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    thinning = mapped_pages.MappedPageTrimmer(lambda: resident[0])
    thinning.reset()
    thinning.trim_if_needed()
    assert not given, "there is little"
    for _ in range(40):
        resident[0] += 1 << 30
        thinning.trim_if_needed()
        now[0] += 0.125
    waits = [later - earlier for earlier, later in itertools.pairwise(given)]
    assert waits == [0.5, 1.0, 2.0]
    thinning.reset()
    resident[0] += 1 << 30
    thinning.trim_if_needed()
    assert len(given) == 5, "another run begins anew"
    now[0] += 60
    thinning.trim_if_needed()
    assert len(given) == 5, "no more has come since"


def test_only_read_only_shared_mappings_of_weights_are_touched() -> None:
    table = """
7f00-7f10 r--s 00000000 fe:00 11 /cache/a b/1.blob
7f10-7f20 rw-p 00000000 fe:00 12 /cache/2.blob
7f20-7f30 r--p 00000000 fe:00 13 /weights/openvino_model.bin
7f30-7f40 r--s 00000000 fe:00 14 /weights/openvino_model.bin
7f40-7f50 r-xp 00000000 fe:00 15 /lib/libc.so.6
7f50-7f60 r--s 00000000 00:00 0
"""
    assert mapped_pages.weight_mappings(table) == [(0x7F00, 0x7F10), (0x7F30, 0x7F40)]
