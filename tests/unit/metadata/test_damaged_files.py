"""Reading any picture or latents file returns a value or raises the reader's own error with a short message."""

from __future__ import annotations

import io
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.latents import SavedLatents
from sdxl_desktop.core.request import GenerationRequest, Prompts, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.metadata.latent_files import decode_latents, encode_latents, read_latents
from sdxl_desktop.metadata.picture_files import METADATA_KEY, PictureRecord, encode_record, read_record, write_picture
from tests.mutations import DEFAULT, MANY, mutations

REQUEST = GenerationRequest(checkpoint=Path("x"), prompts=Prompts(prompt="ein Füchslein"), sampling=Sampling(steps=2))
TEXT = encode_record(PictureRecord(version="1", seed=3, request=REQUEST))
PIXELS = np.random.default_rng(0).integers(0, 256, (8, 16, 3), np.uint8)


def latents(steps: int = 2) -> SavedLatents:
    numbers = np.random.default_rng(1)
    return SavedLatents(
        final=numbers.normal(size=(4, 2, 2)).astype(np.float32),
        predictions=numbers.normal(size=(steps, 4, 2, 2)).astype(np.float32),
        seed=3,
        steps=steps,
        scheduler=SchedulerName.EULER,
    )


def try_record(file: Path, content: bytes) -> None:
    file.write_bytes(content)
    message = ""
    try:
        record = read_record(file)
        assert record is None or isinstance(record, PictureRecord)
    except PictureError as problem:
        message = str(problem)
    assert len(message) < 1000


def damaged_texts(count: int, seed: int) -> list[bytes]:
    """PNG files that are sound around a damaged record."""
    files = []
    for text in mutations([TEXT.encode()], count, seed):
        info, file = PngImagePlugin.PngInfo(), io.BytesIO()
        info.add_itxt(METADATA_KEY, text.decode(errors="replace"))
        Image.fromarray(PIXELS[:2, :2]).save(file, "PNG", pnginfo=info)
        files.append(file.getvalue())
    return files


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp"])
@pytest.mark.parametrize("count", [DEFAULT, pytest.param(MANY, marks=pytest.mark.slow)])
def test_records_of_damaged_files(suffix: str, count: int, tmp_path: Path) -> None:
    file = tmp_path / f"p{suffix}"
    write_picture(file, Picture(pixels=PIXELS, seed=3), REQUEST)
    for content in mutations([file.read_bytes()], count):
        try_record(file, content)


@pytest.mark.parametrize("count", [DEFAULT, pytest.param(MANY, marks=pytest.mark.slow)])
def test_damaged_records(count: int, tmp_path: Path) -> None:
    for content in damaged_texts(count, 2):
        try_record(tmp_path / "p.png", content)


@pytest.mark.parametrize("count", [DEFAULT, pytest.param(MANY, marks=pytest.mark.slow)])
def test_damaged_latents(count: int, tmp_path: Path) -> None:
    file = tmp_path / "kept.safetensors"
    for content in mutations([encode_latents(latents(), REQUEST)], count, 3):
        file.write_bytes(content)
        message = ""
        try:
            read_latents(file)
        except PictureError as problem:
            message = str(problem)
        assert len(message) < 1000
        try:
            decode_latents(content)
        except ValueError as problem:
            message = str(problem)
        assert len(message) < 1000


def test_latents_of_a_damaged_file_never_come_without_numbers(tmp_path: Path) -> None:
    spoiled = latents()
    final = spoiled.final.copy()
    final[0, 0, 0] = np.nan
    (tmp_path / "kept.safetensors").write_bytes(encode_latents(replace(spoiled, final=final), REQUEST))
    with pytest.raises(PictureError, match="does not hold kept latents"):
        read_latents(tmp_path / "kept.safetensors")


@pytest.mark.skipif(os.name != "posix", reason="named pipes and devices are Unix's")
def test_only_files_are_read_for_latents(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "zero.safetensors").symlink_to("/dev/zero")
    for name in ("pipe.safetensors", "zero.safetensors", "missing.safetensors", "x" * 300):
        with pytest.raises(PictureError):
            read_latents(tmp_path / name)
