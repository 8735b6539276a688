"""Every change of the document can be undone and redone exactly, and is reported with its bounding box."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import UInt8Array
from sdxl_desktop.session.document import mask_shapes
from sdxl_desktop.session.document.brush import Brush
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.layers import DocumentChange
from tests.unit.session.document.conftest import mask_of

State = tuple[bytes, bytes, str] | None
Verb = Callable[[Document], None]


def state(document: Document) -> State:
    if document.picture is None or document.mask is None:
        return None
    return document.picture.tobytes(), document.mask.tobytes(), document.name


def stroke(document: Document, erase: bool = False) -> None:
    begun = document.begin_stroke(Brush(size=50, hardness=0.3, erase=erase))
    for x in range(20, 300, 40):
        begun.move_to(x, 20 + x / 2)
    begun.end()


def result(document: Document) -> UInt8Array:
    assert document.picture is not None
    changed = document.picture.copy()
    changed[30:60, 40:90] = 255 - changed[30:60, 40:90]
    return changed


def loaded_mask(document: Document) -> UInt8Array:
    return np.arange(200 * 320, dtype=np.uint32).astype(np.uint8).reshape(200, 320)


VERBS: dict[str, Verb] = {
    "brush stroke": stroke,
    "eraser stroke": lambda document: stroke(document, erase=True),
    "rectangle": lambda document: document.fill_shape(mask_shapes.rectangle(10, 10, 90, 90), label="rectangle"),
    "select by colour": lambda document: document.select_by_colour(200, 100, 60),
    "invert mask": lambda document: document.invert(),
    "clear mask": lambda document: document.clear_mask(),
    "grow mask": lambda document: document.grow(5),
    "shrink mask": lambda document: document.shrink(5),
    "feather mask": lambda document: document.feather(5),
    "fill holes": lambda document: document.fill_holes(),
    "load mask": lambda document: document.set_mask(loaded_mask(document)),
    "apply result": lambda document: document.apply_result(result(document)),
    "open picture": lambda document: document.set_picture(np.zeros((31, 17, 3), np.uint8), "other.png"),
    "extend picture": lambda document: document.extend(10, 0, 40, 5),
    "remove picture": lambda document: document.remove_picture(),
}


@pytest.mark.parametrize("name", VERBS)
def test_every_action_can_be_undone_and_redone_exactly(document: Document, name: str) -> None:
    document.fill_shape(mask_shapes.rectangle(100, 40, 180, 150))
    document.fill_shape(mask_shapes.rectangle(120, 60, 150, 90), "subtract")
    before = state(document)
    VERBS[name](document)
    after = state(document)
    assert after != before
    assert document.undo_text == f"Undo {name}"
    document.undo()
    assert state(document) == before
    assert document.redo_text == f"Redo {name}"
    document.redo()
    assert state(document) == after


def test_a_long_way_back_and_forth_is_exact(document: Document) -> None:
    states = [state(document)]
    for verb in VERBS.values():
        if document.has_picture:
            if document.size != Size(320, 200):
                document.undo()
                continue
            verb(document)
            states.append(state(document))
    forth = []
    while document.can_undo:
        forth.append(state(document))
        document.undo()
    assert state(document) is None, "the first step opened the picture"
    while document.can_redo:
        document.redo()
    assert state(document) == forth[0]


def test_a_new_step_forgets_what_was_undone(document: Document) -> None:
    document.invert()
    document.undo()
    stroke(document)
    assert not document.can_redo
    assert document.redo_text == ""


def test_what_changes_nothing_is_no_step(document: Document) -> None:
    name, revision = document.undo_text, document.revision
    document.clear_mask()
    document.fill_shape(mask_shapes.rectangle(500, 500, 600, 600))
    document.apply_result(document.picture.copy())  # type: ignore[union-attr]
    assert (document.undo_text, document.revision) == (name, revision)


def test_a_stroke_is_one_step_and_is_reported_while_it_is_drawn(document: Document) -> None:
    reported: list[DocumentChange] = []
    document.subscribe(reported.append)
    begun = document.begin_stroke(Brush(size=20, hardness=1.0))
    for x in (50, 60, 70):
        begun.move_to(x, 100)
    assert len(reported) == 3
    rect = reported[0].rect
    assert rect is not None
    assert 20 <= rect.width <= 26, "only the tip's own box"
    begun.end()
    document.undo()
    assert not document.has_mask
    assert document.undo_text == "Undo open picture"


def test_a_cancelled_stroke_never_was(document: Document) -> None:
    stroke(document)
    before = mask_of(document)
    begun = document.begin_stroke(Brush(size=60))
    begun.move_to(10, 10)
    begun.move_to(300, 190)
    begun.cancel()
    assert np.array_equal(mask_of(document), before)
    document.undo()
    assert not document.has_mask, "the stroke before it is the last step"


def test_undo_in_the_middle_of_a_stroke_takes_that_stroke_back(document: Document) -> None:
    begun = document.begin_stroke(Brush(size=60))
    begun.move_to(100, 100)
    document.undo()
    begun.move_to(150, 100)
    begun.end()
    assert not document.has_mask


def test_everything_that_changed_lies_in_the_box_that_is_reported(document: Document) -> None:
    before = mask_of(document)

    def compare(change: DocumentChange) -> None:
        nonlocal before
        now = mask_of(document)
        assert change.rect is not None
        outside = before != now
        outside[change.rect.y : change.rect.bottom, change.rect.x : change.rect.right] = False
        assert not outside.any()
        before = now

    document.subscribe(compare)
    stroke(document)
    document.grow(3)
    document.undo()
    document.undo()
    document.invert()
    document.redo()


def test_undo_is_bounded_by_memory_and_the_oldest_go_first(photograph: UInt8Array) -> None:
    document = Document(undo_limit=100_000)
    document.open(photograph)
    noise = np.random.default_rng(5)
    for _ in range(10):
        document.set_mask(noise.integers(0, 256, (200, 320), dtype=np.uint8))
        assert document.undo_bytes <= 100_000
    steps = 0
    last = mask_of(document)
    while document.can_undo:
        document.undo()
        steps += 1
    assert steps == 1
    document.redo()
    assert np.array_equal(mask_of(document), last)


def test_a_stroke_on_a_large_picture_costs_little_memory() -> None:
    document = Document()
    document.open(np.zeros((2048, 2048, 3), np.uint8))
    begun = document.begin_stroke(Brush(size=30))
    begun.move_to(100, 100)
    begun.move_to(300, 100)
    begun.end()
    assert document.undo_bytes < 10_000


def test_a_result_of_another_size_takes_the_pictures_place(document: Document) -> None:
    stroke(document)
    document.apply_result(np.full((64, 48, 3), 9, np.uint8))
    assert document.size == Size(48, 64)
    assert not document.has_mask
    document.undo()
    assert document.size == Size(320, 200)
    assert document.has_mask


def test_an_accepted_result_keeps_the_mask(document: Document) -> None:
    stroke(document)
    before = mask_of(document)
    document.apply_result(result(document))
    assert np.array_equal(mask_of(document), before)


def test_an_extended_picture_keeps_its_pixels_and_masks_what_is_new(document: Document, photograph: UInt8Array) -> None:
    document.fill_shape(mask_shapes.rectangle(50, 60, 70, 80))
    document.extend(10, 20, 30, 40)
    assert document.size == Size(360, 260)
    picture, mask = document.picture, document.mask
    assert picture is not None
    assert mask is not None
    assert np.array_equal(picture[20:220, 10:330], photograph)
    assert (mask[80:100, 60:80] == 255).all()
    assert np.count_nonzero(mask[20:220, 10:330]) == 400
    mask = mask.copy()
    mask[20:220, 10:330] = 255
    assert (mask == 255).all()
    beyond, border = picture[12:20, 10:330].mean(axis=(0, 1)), photograph[:8].mean(axis=(0, 1))
    assert np.abs(beyond - border).max() < 12, "the border's colours go on"


def test_the_ground_is_what_is_on_the_canvas(document: Document, photograph: UInt8Array) -> None:
    ground = document.edit_source()
    assert ground.mask is None
    assert ground.picture is not None
    assert ground.picture.name == "photograph.jpg"
    assert np.array_equal(ground.picture.array, photograph)
    assert document.edit_source() is ground
    document.invert()
    later = document.edit_source()
    assert later.mask is not None
    assert (later.mask.array == 255).all()
    assert later.picture is ground.picture, "the picture is not copied again"
    document.clear_mask()
    assert document.edit_source() == ground
    assert (later.mask.array == 255).all(), "a request keeps what it was given"
    document.remove_picture()
    assert document.edit_source().picture is None


def test_selecting_by_colour_takes_what_is_connected_or_everything() -> None:
    picture = np.zeros((40, 60, 3), np.uint8)
    picture[5:15, 5:15] = (200, 50, 50)
    picture[5:15, 30:40] = (190, 55, 45)
    picture[25:30, 5:15] = (150, 50, 50)
    document = Document()
    document.set_picture(picture)
    document.select_by_colour(7.9, 7.2, 12)
    expected = np.zeros((40, 60), np.uint8)
    expected[5:15, 5:15] = 255
    assert np.array_equal(mask_of(document), expected)
    document.undo()
    document.select_by_colour(7, 7, 12, contiguous=False)
    expected[5:15, 30:40] = 255
    assert np.array_equal(mask_of(document), expected)
    document.select_by_colour(31, 7, 0, combine="subtract")
    expected[5:15, 30:40] = 0
    assert np.array_equal(mask_of(document), expected)
    document.select_by_colour(-3, 7)
    assert np.array_equal(mask_of(document), expected), "outside the picture there is nothing to select"


def test_a_mask_of_another_size_is_refused(document: Document) -> None:
    with pytest.raises(RequestError, match="320x200"):
        document.set_mask(np.zeros((320, 200), np.uint8))


def test_without_a_picture_there_is_nothing_to_paint_on() -> None:
    document = Document()
    for verb in (document.invert, document.clear_mask, lambda: document.begin_stroke(Brush())):
        with pytest.raises(RequestError, match="no picture"):
            verb()
    document.undo()
    document.redo()
    document.remove_picture()
    assert document.edit_source().picture is None


def test_the_revision_counts_strokes_in_progress(document: Document) -> None:
    before = document.revision
    begun = document.begin_stroke(Brush())
    begun.move_to(50, 50)
    assert document.revision > before
    begun.end()


def test_what_is_handed_in_is_not_changed(document: Document, photograph: UInt8Array) -> None:
    kept = photograph.copy()
    document.apply_result(result(document))
    document.undo()
    document.apply_result(np.zeros_like(photograph))
    assert np.array_equal(photograph, kept)
