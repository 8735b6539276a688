"""Latents are read back bit for bit with their record; other files are refused before they can do harm."""

from __future__ import annotations

import contextlib
import os
import struct
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from sdxl_desktop.core.errors import PictureError
from sdxl_desktop.core.latents import SavedLatents
from sdxl_desktop.core.noise_schedule import NoiseScheduleOverride, TimestepSpacing
from sdxl_desktop.core.request import GenerationRequest, Sampling
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.metadata.latent_files import decode_latents, encode_latents, read_latents, write_latents
from sdxl_desktop.metadata.picture_files import METADATA_KEY, PictureRecord, encode_record
from tests.mutations import mutated_safetensors

REQUEST = GenerationRequest(checkpoint=Path("x"), sampling=Sampling(steps=30, seed=5))
LATENTS = SavedLatents(
    final=np.random.default_rng(1).normal(size=(4, 8, 12)).astype(np.float32),
    predictions=np.random.default_rng(2).normal(size=(3, 4, 8, 12)).astype(np.float32),
    seed=6,
    steps=3,
    scheduler=SchedulerName.HEUN,
    timesteps=(900, 500, 7),
    noise=NoiseScheduleOverride(zero_terminal_snr=True, timestep_spacing=TimestepSpacing.TRAILING),
    digest="abc",
)


def assert_same(one: SavedLatents, other: SavedLatents) -> None:
    assert one == other
    assert one.final.tobytes() == other.final.tobytes()
    assert one.final.shape == other.final.shape
    if one.predictions is None or other.predictions is None:
        assert one.predictions is other.predictions
    else:
        assert one.predictions.tobytes() == other.predictions.tobytes()
        assert one.predictions.shape == other.predictions.shape


@pytest.mark.parametrize("latents", [LATENTS, replace(LATENTS, predictions=None)], ids=["all steps", "the end"])
def test_latents_come_back_exactly(latents: SavedLatents, tmp_path: Path) -> None:
    """Also where they were not made as the request says: a few-step checkpoint has steps and a scheduler of its own."""
    assert_same(decode_latents(encode_latents(latents)), latents)
    assert_same(decode_latents(encode_latents(latents, REQUEST)), latents)
    write_latents(tmp_path / "a.safetensors", latents, REQUEST)
    read, made_by = read_latents(tmp_path / "a.safetensors")
    assert_same(read, latents)
    assert made_by == REQUEST
    (tmp_path / "b.safetensors").write_bytes(encode_latents(latents, REQUEST))
    assert_same(read_latents(tmp_path / "b.safetensors")[0], latents)


def test_files_from_before_latents_described_themselves_still_open(tmp_path: Path) -> None:
    record = encode_record(PictureRecord(version="0.1", seed=5, request=REQUEST))
    save_file({"latents": LATENTS.final}, tmp_path / "a.safetensors", metadata={METADATA_KEY: record})
    read, _ = read_latents(tmp_path / "a.safetensors")
    assert (read.seed, read.steps, read.scheduler) == (5, 30, REQUEST.sampling.scheduler)


def test_views_come_back_as_they_look() -> None:
    turned = replace(LATENTS, final=LATENTS.final[:, ::-1].swapaxes(1, 2), predictions=None)
    assert np.array_equal(decode_latents(encode_latents(turned)).final, turned.final)


@pytest.mark.parametrize(
    "content",
    [b"", b"\1", b"\xff" * 8, struct.pack("<Q", 2) + b"{}", struct.pack("<Q", 5) + b"[[[[[", b"nothing of the kind"],
)
def test_what_is_none_is_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="latents"):
        decode_latents(content)
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(PictureError, match="does not hold kept latents"):
        read_latents(tmp_path / "a.safetensors")


def test_every_flipped_bit_of_the_header_is_refused_or_says_nothing() -> None:
    whole = encode_latents(LATENTS)
    (length,) = struct.unpack("<Q", whole[:8])
    for at in range(length + 8):
        for bit in (0, 3, 7):
            damaged = bytearray(whole)
            damaged[at] ^= 1 << bit
            try:
                read = decode_latents(bytes(damaged))
            except ValueError:
                continue
            assert read.final.shape == LATENTS.final.shape
            assert read.final.tobytes() == LATENTS.final.tobytes()


def mutations(file: Path, numbers: range) -> None:
    """Read or refused as none, from the disk and from memory."""
    whole = encode_latents(LATENTS, REQUEST)
    for number in numbers:
        content = mutated_safetensors(whole, number)
        with contextlib.suppress(ValueError):
            assert decode_latents(content).final.size
        file.write_bytes(content)
        with contextlib.suppress(PictureError):
            assert read_latents(file)[0].final.size


def test_200_mutations(tmp_path: Path) -> None:
    mutations(tmp_path / "a.safetensors", range(200))


@pytest.mark.slow
def test_thousands_of_mutations(tmp_path: Path) -> None:
    mutations(tmp_path / "a.safetensors", range(200, 5000))


def test_only_regular_files_are_read(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.safetensors")
    (tmp_path / "zero.safetensors").symlink_to("/dev/zero")
    for file in tmp_path.iterdir():
        with pytest.raises(PictureError, match="does not hold kept latents"):
            read_latents(file)


@pytest.mark.parametrize("share", [0.6, 0.8, 0.999])
def test_a_flipped_bit_of_the_numbers_is_refused(share: float, tmp_path: Path) -> None:
    """It would be another picture."""
    file = tmp_path / "a.safetensors"
    write_latents(file, LATENTS, REQUEST)
    for content in (bytearray(file.read_bytes()), bytearray(encode_latents(LATENTS))):
        content[int(len(content) * share)] ^= 1
        with pytest.raises(ValueError, match="damaged"):
            decode_latents(bytes(content))
    damaged = bytearray(file.read_bytes())
    damaged[int(len(damaged) * share)] ^= 1
    file.write_bytes(damaged)
    with pytest.raises(PictureError):
        read_latents(file)
