"""Drafts: many quick pictures of one prompt, from which chosen ones are finished by the full checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.errors import RequestError, SdxlDesktopError
from sdxl_desktop.core.events import EngineEvent, Picture, PictureFinished, RunFinished
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.request import GenerationRequest, Sampling
from sdxl_desktop.core.speed import SpeedPreset
from sdxl_desktop.history.folder_files import DRAFTS_FOLDER
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.queue.queue_item import QueueItem
from sdxl_desktop.session.result_files import Result, save_as, suggested_name

DRAFT_COUNTS = (4, 9)
"""Numbers of drafts that fill a grid."""
FINISHING_STRENGTH = 0.6
"""The img2img strength of finishing: enough to regenerate every detail on the draft's composition."""
MAX_DRAFTS = 36
_MIN_STEPS = 8
_STEP_FRACTION = 0.4
"""Fraction of the full number of steps used if the full checkpoint makes its own drafts; the fast preset computes a
third of these in full."""
_MAX_SIZE_RATIO = 2
"""Maximum ratio between the native side lengths of the full and the draft checkpoint."""


def find_draft_checkpoints(full: Checkpoint, known: Sequence[Checkpoint]) -> tuple[Checkpoint, ...]:
    """Return the few-step checkpoints that can draft for `full`, the best match first.

    They are base models of about the same native size: a much smaller network's composition does not carry over to a
    larger one. Those with similar names come first, since they are most likely distilled from it.
    """
    side = math.sqrt(full.recommended.size.pixel_count)

    def fits(other: Checkpoint) -> bool:
        own = math.sqrt(other.recommended.size.pixel_count)
        similar_size = own * _MAX_SIZE_RATIO >= side and side * _MAX_SIZE_RATIO >= own
        return other.is_few_step and other.kind is CheckpointKind.BASE and similar_size and other.folder != full.folder

    def distance(other: Checkpoint) -> tuple[int, float]:
        alike = next((n for n, (a, b) in enumerate(zip(full.name, other.name, strict=False)) if a != b), len(full.name))
        return -alike, abs(math.sqrt(other.recommended.size.pixel_count) - side)

    return tuple(sorted(filter(fits, known), key=distance))


def draft_request(
    full_request: GenerationRequest, full_checkpoint: Checkpoint, draft_checkpoint: Checkpoint, count: int
) -> GenerationRequest:
    """Return a request for `count` quick pictures of `full_request` with `draft_checkpoint` (perhaps `full_checkpoint`
    itself). Where the prompts of its pictures differ, all drafts have those of the first.

    Seeds count up from that of `full_request`; the draft checkpoint's tiny VAE decodes if it has one. Raises
    RequestError for requests that cannot be drafted.
    """
    full_request = full_request.of_picture(0)
    if full_request.edit is not None or full_request.start is not None:
        raise RequestError(
            "Drafts are drawn from words alone.",
            why="They look for a composition, and the picture on the canvas is one already.",
            next_step="Take the picture off the canvas first, or draw it anew with Generate.",
        )
    if full_checkpoint.kind is not CheckpointKind.BASE or not full_checkpoint.has_vae_encoder:
        raise RequestError(
            f"{full_checkpoint.title} cannot finish a draft.",
            why="Finishing is image-to-image without a mask.",
            next_step="Choose a base checkpoint that has a VAE encoder.",
        )
    additions = (
        full_request.additions
        if draft_checkpoint.folder == full_checkpoint.folder
        else Additions(embeddings=full_request.additions.embeddings)
    )
    if additions.vae is None:
        additions = replace(additions, vae=draft_checkpoint.tiny_vae)
    return replace(
        full_request,
        checkpoint=draft_checkpoint.folder,
        sampling=_reduced_sampling(full_request, count)
        if draft_checkpoint.folder == full_checkpoint.folder
        else _few_step_sampling(full_request, full_checkpoint, draft_checkpoint, count),
        refine=None,
        additions=additions,
        output=replace(full_request.output, keep_latents="none"),
    )


def _few_step_sampling(
    full_request: GenerationRequest, full_checkpoint: Checkpoint, draft_checkpoint: Checkpoint, count: int
) -> Sampling:
    """The sampling that a few-step checkpoint recommends."""
    wanted = draft_checkpoint.recommended
    return replace(
        _base_sampling(full_request, count),
        size=draft_size(full_request.sampling.size, full_checkpoint, draft_checkpoint),
        steps=wanted.steps,
        guidance_scale=wanted.guidance_scale,
        scheduler=wanted.scheduler,
        speed=SpeedPreset.EXACT,
    )


def _reduced_sampling(full_request: GenerationRequest, count: int) -> Sampling:
    """Fewer steps, most of them cached; a few-step checkpoint's own number is retained."""
    steps = min(full_request.sampling.steps, max(_MIN_STEPS, math.ceil(full_request.sampling.steps * _STEP_FRACTION)))
    return replace(_base_sampling(full_request, count), steps=steps, speed=SpeedPreset.FAST)


def _base_sampling(full_request: GenerationRequest, count: int) -> Sampling:
    return replace(full_request.sampling, count=count, timesteps=(), guidance_rescale=0.0, variation_strength=0.0)


def draft_size(size: Size, full_checkpoint: Checkpoint, draft_checkpoint: Checkpoint) -> Size:
    """Return the size at which `draft_checkpoint` drafts a picture of `size`: the same aspect ratio, and an area scaled
    by the ratio of the native sizes."""
    wanted, native = draft_checkpoint.recommended.size, full_checkpoint.recommended.size
    if wanted == native and size == size.rounded_to_multiple(draft_checkpoint.size_multiple):
        return size
    factor = math.sqrt(wanted.pixel_count / native.pixel_count)
    return Size(max(1, round(size.width * factor)), max(1, round(size.height * factor))).rounded_to_multiple(
        draft_checkpoint.size_multiple
    )


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A generated draft: `request` generates it alone, `full_request` is the request it previews, `file` holds it if it
    was saved, and `finished` marks it as passed to the full checkpoint."""

    picture: Picture
    request: GenerationRequest
    full_request: GenerationRequest
    file: Path | None = None
    finished: bool = False


def finishing_request(draft: Draft, strength: float = FINISHING_STRENGTH) -> GenerationRequest:
    """Return the full checkpoint's img2img request on `draft`, with the full request's prompts and size, and the
    draft's seed.

    A draft of another size is fitted to it. `strength` in (0, 1] is the fraction of the denoising performed. The
    request names the draft's file, with which it can be repeated.
    """
    full_request = draft.full_request.of_picture(0)
    return replace(
        full_request,
        sampling=replace(full_request.sampling, seed=draft.picture.seed, count=1, variation_strength=0.0),
        edit=EditParameters(
            picture=Raster.from_pixels(draft.picture.pixels, draft.file.name if draft.file else ""), strength=strength
        ),
    )


@dataclass
class _DraftRun:
    """A queued or running run of drafts."""

    request: GenerationRequest
    full_request: GenerationRequest
    drawn: int = 0


@dataclass
class DraftingSession(GenerationSession):
    """A session with drafts: they use the same queue as other requests but do not become results."""

    drafts: list[Draft] = field(default_factory=list)
    _draft_runs: list[_DraftRun] = field(default_factory=list)

    def draw_drafts(self, request: GenerationRequest, full_request: GenerationRequest) -> None:
        """Queue `request`, whose pictures are drafts of `full_request`; see `draft_request`."""
        self._draft_runs.append(_DraftRun(request, full_request))
        self._add(QueueItem(request=request, bypasses_hold=True, transient=True))  # made for an immediate choice

    def clear_drafts(self) -> None:
        """Clear the drafts; a run of drafts continues."""
        self.drafts.clear()
        self.changed()

    def finish_drafts(self, drafts: Sequence[Draft], strength: float = FINISHING_STRENGTH) -> None:
        """Queue the finishing request of each draft; its picture becomes a result. If every picture is saved, so is the
        draft, in `DRAFTS_FOLDER`."""
        for draft in drafts:
            kept = replace(draft, file=self._file_for(draft), finished=True)
            self.drafts = [kept if one is draft else one for one in self.drafts]
            self.generate(finishing_request(kept, strength))
            if kept.file is not None:
                self._save_result(partial(_save_draft, Result(kept.picture, kept.request), kept.file))

    @property
    def pending_drafts(self) -> int:
        """The number of drafts still to be generated."""
        cleared = {id(item.request) for _, item in self.queue.removed}
        open_orders = [order for order in self._open_draft_runs() if id(order.request) not in cleared]
        return sum(order.request.sampling.count - order.drawn for order in open_orders)

    @property
    def drafting(self) -> bool:
        """Whether the current run generates drafts."""
        return self._current_draft_run() is not None

    def handle(self, event: EngineEvent) -> None:
        order = self._current_draft_run()
        match event:
            case PictureFinished() if order is not None:
                order.drawn += 1
                self._count_finished(event.picture)
                self._add_draft(event.picture, order)
                self.changed()
            case RunFinished() if order is not None:  # drafts are not results, so they are not reported further
                self._finish_run("")
                self.changed()
            case _:
                super().handle(event)

    def _current_draft_run(self) -> _DraftRun | None:
        """The draft run in progress."""
        return next(
            (order for order in self._draft_runs if self.run is not None and order.request is self.run.request), None
        )

    def _open_draft_runs(self) -> list[_DraftRun]:
        asked = [item.request for item in (*self.queue.items, *(item for _, item in self.queue.removed))]
        self._draft_runs = [order for order in self._draft_runs if any(order.request is request for request in asked)]
        return self._draft_runs

    def _add_draft(self, picture: Picture, order: _DraftRun) -> None:
        alone = replace(order.request, sampling=replace(order.request.sampling, seed=picture.seed, count=1))
        self.drafts.append(Draft(picture, alone, order.full_request))
        del self.drafts[:-MAX_DRAFTS]

    def _file_for(self, draft: Draft) -> Path | None:
        """Return the path of a saved draft, named by its content; PNG, so that the file holds the exact pixels."""
        if draft.file is not None or not self.store.keep_every_picture:
            return draft.file
        name = suggested_name(Result(draft.picture, draft.request))
        return self.store.folder / DRAFTS_FOLDER / f"{name}-{Raster.from_pixels(draft.picture.pixels).digest[:8]}.png"


def _save_draft(result: Result, file: Path) -> Result | SdxlDesktopError:
    try:
        return replace(result, saved_to=file) if file.exists() else save_as(result, file)
    except SdxlDesktopError as problem:
        return problem
