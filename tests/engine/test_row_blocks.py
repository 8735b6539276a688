"""Blocks of rows are the value they were cut from, wherever rows are asked for, until they are let go."""

from __future__ import annotations

import numpy as np
import pytest

from sdxl_desktop.engine.openvino.tiling.row_blocks import RowBlocks

VALUE = np.arange(3 * 20 * 4, dtype=np.float32).reshape(3, 20, 4) + 1


def padded(start: int, rows: int) -> np.ndarray:
    beyond = np.pad(VALUE, ((0, 0), (60, 60), (0, 0)))
    return beyond[:, 60 + start : 60 + start + rows]


@pytest.mark.parametrize("height", [1, 6, 20, 50])
def test_any_rows_can_be_asked_for_and_there_are_zeros_outside(height: int) -> None:
    kept = RowBlocks.from_array(VALUE, height)
    assert kept.rows == 20
    np.testing.assert_array_equal(kept.to_array(), VALUE)
    for start in (-30, -7, -1, 0, 5, 6, 19, 25):
        for rows in (1, 7, 29):
            view = np.full((3, rows, 4), np.nan, np.float32)
            kept.copy_to(view, start)
            np.testing.assert_array_equal(view, padded(start, rows))


def test_blocks_go_when_none_of_their_rows_is_needed() -> None:
    kept = RowBlocks.from_array(VALUE, 6)
    assert kept.release_above(5) == []
    gone = kept.release_above(13)
    assert [block[0, 0, 0] for block in gone] == [VALUE[0, 0, 0], VALUE[0, 6, 0]]
    view = np.empty((3, 7, 4), np.float32)
    kept.copy_to(view, 13)
    np.testing.assert_array_equal(view, VALUE[:, 13:])
    assert len(kept.release_above(100)) == 2
