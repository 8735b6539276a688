"""A paused run's file gives back exactly what was written; everything else is refused with one kind of error."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdxl_desktop.core.errors import OutputError, PictureError
from sdxl_desktop.core.paused_run import PausedRun
from sdxl_desktop.metadata import paused_files
from sdxl_desktop.metadata.paused_files import read_paused_run, write_paused_run
from tests.mutations import DEFAULT, MANY, mutations
from tests.typed import not_none


def paused_run(calls: int = 3) -> PausedRun:
    predictions = np.random.default_rng(calls).standard_normal((calls, 4, 6, 5)).astype(np.float32)
    return PausedRun(picture=2, step=3, steps=8, predictions=predictions, latents=predictions[1], content="ab12")


def test_it_comes_back_bit_for_bit(tmp_path: Path) -> None:
    before = paused_run()
    write_paused_run(tmp_path / "a.safetensors", before)
    again = read_paused_run(tmp_path / "a.safetensors")
    assert again == before
    assert not_none(again.predictions).tobytes() == not_none(before.predictions).tobytes()
    assert not_none(again.latents).tobytes() == not_none(before.latents).tobytes()


@pytest.mark.parametrize("rounds", [DEFAULT, pytest.param(MANY, marks=pytest.mark.slow)])
def test_a_changed_file_is_refused_or_equal(rounds: int, tmp_path: Path) -> None:
    file, before = tmp_path / "a.safetensors", paused_run()
    write_paused_run(file, before)
    for changed in mutations([file.read_bytes()], rounds, seed=7):
        file.write_bytes(changed)
        try:
            again = read_paused_run(file)
        except PictureError:
            continue
        assert np.array_equal(not_none(again.predictions), not_none(before.predictions))


@pytest.mark.parametrize(
    "tensors", [{"predictions": (3, 4, 6, 5)}, {"predictions": (3, 4, 6, 5), "latents": (4, 6, 6)}]
)
def test_tensors_that_do_not_belong_together_are_refused(tensors: dict[str, tuple[int, ...]], tmp_path: Path) -> None:
    save_file({name: np.zeros(shape, np.float32) for name, shape in tensors.items()}, tmp_path / "a.safetensors")
    with pytest.raises(PictureError):
        read_paused_run(tmp_path / "a.safetensors")


def test_sizes_are_bounded_before_anything_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_paused_run(tmp_path / "a.safetensors", paused_run())
    monkeypatch.setattr(paused_files, "MAX_PAUSED_BYTES", paused_run().nbytes - 1)
    with pytest.raises(PictureError):
        read_paused_run(tmp_path / "a.safetensors")
    with pytest.raises(OutputError, match="could not be written"):
        write_paused_run(tmp_path / "b.safetensors", paused_run())


def test_a_run_that_has_not_begun_has_nothing_to_write(tmp_path: Path) -> None:
    with pytest.raises(OutputError):
        write_paused_run(tmp_path / "a.safetensors", replace(paused_run(), predictions=None))
    assert list(tmp_path.iterdir()) == []
