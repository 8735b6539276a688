"""Undo costs as much memory as its tiles, and undoing a step over the whole picture is immediate."""

from __future__ import annotations

import time
from dataclasses import dataclass

import numpy as np

from sdxl_desktop.session.document import mask_shapes
from sdxl_desktop.session.document.brush import Brush
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.layers import DocumentChange, Layers
from sdxl_desktop.session.document.undo import UndoStack


@dataclass(frozen=True)
class SizedChange:
    """A change that takes `nbytes` on this side of the step and `other_bytes` on the other."""

    nbytes: int
    other_bytes: int

    def swap(self, layers: Layers | None) -> tuple[Layers | None, SizedChange, DocumentChange]:
        return layers, SizedChange(self.other_bytes, self.nbytes), DocumentChange(None)


def test_the_reported_memory_is_what_the_steps_take() -> None:
    """Compared with two lists of the same steps that are summed again each time."""
    random, limit = np.random.default_rng(1), 1000
    stack = UndoStack(limit)
    undo: list[SizedChange] = []
    redo: list[SizedChange] = []
    for _ in range(2000):
        kind = int(random.integers(0, 4))
        if kind < 2:
            change = SizedChange(*random.integers(0, 300, 2).tolist())
            stack.push("step", change)
            redo.clear()
            undo.append(change)
        elif kind == 2 and undo:
            stack.undo(None)
            redo.append(undo.pop().swap(None)[1])
        elif kind == 3 and redo:
            stack.redo(None)
            undo.append(redo.pop().swap(None)[1])
        for steps in (undo, redo):
            while steps and sum(change.nbytes for change in undo + redo) > limit:
                steps.pop(0)
        assert stack.nbytes == sum(change.nbytes for change in undo + redo) <= limit
        assert (bool(stack.undo_label), bool(stack.redo_label)) == (bool(undo), bool(redo))
    stack.clear()
    assert stack.nbytes == 0


def test_a_document_keeps_its_undo_steps_within_the_limit() -> None:
    document, random = Document(undo_limit=300_000), np.random.default_rng(1)
    document.set_picture(random.integers(0, 256, (200, 300, 3), dtype=np.uint8))
    for _ in range(20):
        document.set_mask(random.integers(0, 256, (200, 300), dtype=np.uint8))
        assert 0 < document.undo_bytes <= 300_000
    document.open(None)
    assert document.undo_bytes == 0


def test_after_thousands_of_strokes_one_more_costs_the_same() -> None:
    def seconds(document: Document, strokes: int) -> float:
        began = time.process_time()
        for number in range(strokes):
            document.fill_shape(
                mask_shapes.rectangle(number % 50, 0, number % 50 + 8, 8), "add" if number % 2 else "subtract"
            )
            document.invert()
        return time.process_time() - began

    document = Document()
    document.set_picture(np.zeros((64, 64, 3), np.uint8))
    few = seconds(document, 300)
    seconds(document, 2000)
    assert seconds(document, 300) < 3 * few


def test_a_stroke_over_a_whole_large_picture_is_undone_within_50_ms() -> None:
    document = Document()
    document.set_picture(np.zeros((2048, 2048, 3), np.uint8))
    document.set_mask(np.random.default_rng(3).integers(0, 3, (2048, 2048), dtype=np.uint8) * 90)
    spent = []
    for _ in range(3):
        stroke = document.begin_stroke(Brush(size=1500, hardness=0.0))
        for x in (500, 1500):
            stroke.move_to(x, 1000)
        stroke.end()
        began = time.process_time()
        document.undo()
        spent.append(time.process_time() - began)
    assert min(spent) < 0.05
