"""The way back costs what its tiles hold, however long it gets, and a step over the whole picture is taken at once."""

from __future__ import annotations

import time

import numpy as np

from sdxl_desktop.session.document import mask_shapes
from sdxl_desktop.session.document.brush import Brush
from sdxl_desktop.session.document.document import Document


def held(document: Document) -> int:
    """Counted anew, step by step."""
    steps = document._undo_stack
    return sum(step.change.nbytes for way in (steps._undo_steps, steps._redo_steps) for step in way)


def test_the_memory_that_is_told_is_what_the_steps_hold() -> None:
    document, random = Document(undo_limit=300_000), np.random.default_rng(1)
    document.set_picture(random.integers(0, 256, (200, 300, 3), dtype=np.uint8))
    for _ in range(200):
        match int(random.integers(0, 5)):
            case 0 | 1:
                x, y = random.uniform(0, 300, 2).tolist()
                document.fill_shape(mask_shapes.ellipse(x, y, x + 60, y + 40))
            case 2:
                document.set_mask(random.integers(0, 256, (200, 300), dtype=np.uint8))
            case 3:
                document.undo()
            case 4:
                document.redo()
        assert document.undo_bytes == held(document) <= 300_000
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
