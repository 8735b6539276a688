"""A project with everything in it, and what it means that two are the same."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from sdxl_desktop.core.additions import EmbeddingReference, LoraReference
from sdxl_desktop.core.edit import EditParameters, PrefillMode
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.latents import ResumePoint, SavedLatents
from sdxl_desktop.core.raster import Raster, UInt8Array
from sdxl_desktop.core.request import (
    GenerationRequest,
    MicroConditioning,
    OutputOptions,
    Prompts,
    Sampling,
)
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.core.workspace_value import (
    AdditionsPanelState,
    EditPanelState,
    LoraListItem,
    RefinerPanelState,
    WorkspaceValue,
)
from sdxl_desktop.session.document.project_content import Project
from sdxl_desktop.session.result_files import Result

WORKSPACE = WorkspaceValue(
    prompts=Prompts(prompt='Herz „♥“ — 心 "quoted"\n second line', negative_prompt="blur"),
    sampling=Sampling(size=Size(640, 512), steps=7, seed=2**32 - 1, scheduler=SchedulerName.HEUN),
    micro_conditioning=MicroConditioning(negative_crop_top_left=Point(1, 2)),
    micro_conditioning_on=True,
    checkpoint="starter",
    edit=EditPanelState(strength=0.35, mask_blur=3.5),
    refiner=RefinerPanelState(on=True, handoff=0.7),
    additions=AdditionsPanelState(
        loras=(LoraListItem(LoraReference(Path("/weights/lora.safetensors"), 0.75), on=False),),
        embeddings=(EmbeddingReference(Path("style.pt"), "<style>"),),
        vae=Path("/vae"),
    ),
    seed_locked=True,
    open_sections=("refiner",),
)


def noise(seed: int, height: int = 200, width: int = 320) -> UInt8Array:
    return np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)


def sample_latents(seed: int, *, steps: bool) -> SavedLatents:
    random = np.random.default_rng(seed)
    return SavedLatents(
        final=random.normal(size=(4, 8, 12)).astype(np.float32),
        predictions=random.normal(size=(3, 4, 8, 12)).astype(np.float32) if steps else None,
        seed=seed,
        steps=3,
        scheduler=SchedulerName.DPMPP_2M_KARRAS,
        digest=f"digest-{seed}",
    )


def request(seed: int, edit: EditParameters | None = None, start: ResumePoint | None = None) -> GenerationRequest:
    return GenerationRequest(
        checkpoint=Path("checkpoints") / "starter",
        prompts=Prompts(prompt="a heart", prompt_2="♥"),
        sampling=Sampling(size=Size(96, 64), steps=3, seed=seed, scheduler=SchedulerName.DPMPP_2M_KARRAS),
        edit=edit,
        start=start,
        output=OutputOptions(keep_latents="steps"),
    )


def candidates(picture: UInt8Array, mask: UInt8Array) -> tuple[Result, ...]:
    """Text-to-image; inpainted; resumed from the first one's latents."""
    first_latents = sample_latents(5, steps=True)
    edit = EditParameters(
        picture=Raster.from_pixels(picture, "Näher – ☃.jpg"),
        mask=Raster.from_pixels(mask),
        strength=0.75,
        grow=9,
        prefill=PrefillMode.BLUR,
        soft=True,
    )
    older = EditParameters(picture=Raster.from_pixels(picture[::-1], "older.png"), strength=0.2)
    return (
        Result(Picture(pixels=noise(1, 64, 96), seed=5, latents=first_latents), request(5), Path("/pictures/a.png")),
        Result(
            Picture(pixels=noise(2), seed=6, index=1, notes=("Told.", "Twice."), generated_pixels=noise(3, 64, 96)),
            request(6, edit),
        ),
        Result(
            Picture(pixels=noise(4), seed=5, latents=sample_latents(7, steps=False)),
            request(5, older, ResumePoint(first_latents, 2)),
        ),
    )


def full_project(picture: UInt8Array) -> Project:
    mask = np.random.default_rng(2).integers(0, 256, picture.shape[:2], dtype=np.uint8)
    return Project(picture, mask, "Näher – ☃.jpg", candidates(picture, mask), WORKSPACE)


def equal(one: np.ndarray | None, other: np.ndarray | None) -> bool:
    if one is None or other is None:
        return one is other
    return one.dtype == other.dtype and np.array_equal(one, other)


def same_latents(one: SavedLatents | None, other: SavedLatents | None) -> bool:
    if one is None or other is None:
        return one is other
    return one == other and equal(one.final, other.final) and equal(one.predictions, other.predictions)


def same_edit(one: EditParameters | None, other: EditParameters | None) -> bool:
    if one is None or other is None:
        return one is other
    masks = [None if edit.mask is None else edit.mask.pixels for edit in (one, other)]
    return one == other and equal(one.picture.pixels, other.picture.pixels) and equal(*masks)


def assert_same_result(one: Result, other: Result) -> None:
    assert equal(one.picture.pixels, other.picture.pixels)
    assert equal(one.picture.generated_pixels, other.picture.generated_pixels)
    assert same_latents(one.picture.latents, other.picture.latents)
    reported = [(result.picture.seed, result.picture.index, result.picture.notes) for result in (one, other)]
    assert reported[0] == reported[1]
    assert one.request.for_metadata() == other.request.for_metadata()
    assert same_edit(one.request.edit, other.request.edit)
    starts = [None if result.request.start is None else result.request.start.latents for result in (one, other)]
    assert same_latents(*starts)


def assert_same(one: Project, other: Project) -> None:
    """Bit for bit and value for value."""
    assert equal(one.picture, other.picture)
    assert equal(one.mask, other.mask)
    assert one.picture_name == other.picture_name
    assert one.workspace == other.workspace
    assert len(one.candidates) == len(other.candidates)
    for mine, theirs in zip(one.candidates, other.candidates, strict=True):
        assert_same_result(mine, theirs)
