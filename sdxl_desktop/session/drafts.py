"""Drafts: many quick pictures of one prompt, of which the chosen ones are finished by the full checkpoint."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind
from sdxl_desktop.core.edit import Edit
from sdxl_desktop.core.errors import RequestError, SdxlDesktopError
from sdxl_desktop.core.events import Drawn, Event, Finished, Picture
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.request import GenerationRequest, Output, Sampling
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.session.pictures import Result, save_as, suggested_name
from sdxl_desktop.session.session import Session

COUNTS = (4, 9)
"""How many drafts make a grid."""
STRENGTH = 0.6
"""The share of the denoising that finishing does: enough to draw every detail anew on the draft's composition."""
FOLDER = "drafts"
"""In the pictures folder: the drafts that were finished, so that what was made of them can be repeated."""
MAX_DRAFTS = 36
_LEAST_STEPS = 8
_SHARE = 0.4
"""Of the full number of steps, where the full checkpoint draws its own drafts; with the fast preset a third of these
are computed in full."""
_KINSHIP = 2
"""How many times smaller than the full checkpoint's own pictures those of a drafting one may be, on a side."""


def drafting_checkpoints(full: Checkpoint, known: Sequence[Checkpoint]) -> tuple[Checkpoint, ...]:
    """The few-step checkpoints that can draft for `full`, the most fitting first.

    They draw from words, and at about the same size: what a much smaller network knows is no help to a larger one.
    Those that are named alike come first, being distilled from it, most likely.
    """
    side = math.sqrt(full.recommended.size.pixels)

    def fits(other: Checkpoint) -> bool:
        own = math.sqrt(other.recommended.size.pixels)
        kin = own * _KINSHIP >= side and side * _KINSHIP >= own
        return other.few_step and other.kind is CheckpointKind.BASE and kin and other.folder != full.folder

    def distance(other: Checkpoint) -> tuple[int, float]:
        alike = next((n for n, (a, b) in enumerate(zip(full.name, other.name, strict=False)) if a != b), len(full.name))
        return -alike, abs(math.sqrt(other.recommended.size.pixels) - side)

    return tuple(sorted(filter(fits, known), key=distance))


def draft_request(full: GenerationRequest, own: Checkpoint, drafter: Checkpoint, count: int) -> GenerationRequest:
    """`count` quick pictures of what `full` asks its checkpoint `own` for, drawn by `drafter` (which may be `own`).

    They have the seeds that follow `full`'s, and are decoded by the drafter's tiny VAE if it has one. Raises
    RequestError for what cannot be drafted.
    """
    if full.edit is not None or full.start is not None:
        raise RequestError(
            "Drafts are drawn from words alone.",
            why="They look for a composition, and the picture on the canvas is one already.",
            next_step="Take the picture off the canvas first, or draw it anew with Generate.",
        )
    if own.kind is not CheckpointKind.BASE or not own.has_encoder:
        raise RequestError(
            f"{own.title} cannot finish a draft.",
            why="Finishing draws on the ground of a picture, without a mask.",
            next_step="Choose a checkpoint that draws from words and has a VAE encoder.",
        )
    additions = full.additions if drafter.folder == own.folder else Additions(embeddings=full.additions.embeddings)
    if additions.vae is None:
        additions = replace(additions, vae=drafter.tiny_vae)
    return replace(
        full,
        checkpoint=drafter.folder,
        sampling=_own_quick_sampling(full, count)
        if drafter.folder == own.folder
        else _quick(full, own, drafter, count),
        refine=None,
        additions=additions,
        output=Output(watermark=full.output.watermark),
    )


def _quick(full: GenerationRequest, own: Checkpoint, drafter: Checkpoint, count: int) -> Sampling:
    """As a few-step checkpoint wants it."""
    wanted = drafter.recommended
    return replace(
        _plain(full, count),
        size=draft_size(full.sampling.size, own, drafter),
        steps=wanted.steps,
        guidance_scale=wanted.guidance_scale,
        scheduler=wanted.scheduler,
        speed=Speed.EXACT,
    )


def _own_quick_sampling(full: GenerationRequest, count: int) -> Sampling:
    """Fewer steps, most of them cached; a few-step checkpoint's own number stays."""
    steps = min(full.sampling.steps, max(_LEAST_STEPS, math.ceil(full.sampling.steps * _SHARE)))
    return replace(_plain(full, count), steps=steps, speed=Speed.FAST)


def _plain(full: GenerationRequest, count: int) -> Sampling:
    return replace(full.sampling, count=count, timesteps=(), guidance_rescale=0.0, variation_strength=0.0)


def draft_size(size: Size, own: Checkpoint, drafter: Checkpoint) -> Size:
    """The size at which `drafter` drafts what `own` is to draw at `size`: of the same shape, as large for the one as
    `size` is for the other."""
    wanted, native = drafter.recommended.size, own.recommended.size
    if wanted == native and size == size.rounded(drafter.size_multiple):
        return size
    factor = math.sqrt(wanted.pixels / native.pixels)
    return Size(max(1, round(size.width * factor)), max(1, round(size.height * factor))).rounded(drafter.size_multiple)


@dataclass(frozen=True, slots=True, eq=False)
class Draft:
    """A drawn draft: `request` draws it alone, `full` is what it is a draft of, `file` holds it if anything does, and
    `finished` says that it was given to the full checkpoint."""

    picture: Picture
    request: GenerationRequest
    full: GenerationRequest
    file: Path | None = None
    finished: bool = False


def finishing_request(draft: Draft, strength: float = STRENGTH) -> GenerationRequest:
    """The full checkpoint's picture on the ground of `draft`: the same words, size and seed as without a draft.

    A draft of another size is fitted to it. `strength` in (0, 1] is the share of the denoising that is done. The
    request names the draft's file, with which it can be repeated.
    """
    full = draft.full
    return replace(
        full,
        sampling=replace(full.sampling, seed=draft.picture.seed, count=1, variation_strength=0.0),
        edit=Edit(picture=Raster.of(draft.picture.pixels, draft.file.name if draft.file else ""), strength=strength),
    )


@dataclass
class _Order:
    """A run of drafts that waits or is drawn."""

    request: GenerationRequest
    full: GenerationRequest
    drawn: int = 0


@dataclass
class DraftingSession(Session):
    """A sitting with drafts: they go through the same queue as everything else, but are no results."""

    drafts: list[Draft] = field(default_factory=list)
    _orders: list[_Order] = field(default_factory=list)

    def draw_drafts(self, request: GenerationRequest, full: GenerationRequest) -> None:
        """Queue `request`, whose pictures are drafts of `full`; see `draft_request`."""
        self._orders.append(_Order(request, full))
        self.generate(request)

    def forget_drafts(self) -> None:
        """Begin with an empty sheet; a run of drafts goes on."""
        self.drafts.clear()
        self.changed()

    def finish(self, drafts: Sequence[Draft], strength: float = STRENGTH) -> None:
        """Queue the full checkpoint's picture of each; it becomes a result. Where every picture is kept, so is the
        draft, in a folder of its own."""
        for draft in drafts:
            kept = replace(draft, file=self._file_for(draft), finished=True)
            self.drafts = [kept if one is draft else one for one in self.drafts]
            self.generate(finishing_request(kept, strength))
            if kept.file is not None:
                self._write(partial(_written, Result(kept.picture, kept.request), kept.file))

    @property
    def unfinished(self) -> tuple[GenerationRequest, ...]:
        """All that was asked for and is not drawn, without drafts: they are for a choice that is made at once."""
        orders = self._open_orders()
        return tuple(one for one in super().unfinished if not any(one is order.request for order in orders))

    @property
    def drafts_waiting(self) -> int:
        """How many drafts are yet to be drawn."""
        cleared = {id(request) for request in self.cleared}
        open_orders = [order for order in self._open_orders() if id(order.request) not in cleared]
        return sum(order.request.sampling.count - order.drawn for order in open_orders)

    @property
    def drafting(self) -> bool:
        """Whether the run in progress draws drafts."""
        return self._order() is not None

    def handle(self, event: Event) -> None:
        order = self._order()
        match event:
            case Drawn() if order is not None:
                order.drawn += 1
                self._take_draft(event.picture, order)
                self.changed()
            case Finished() if order is not None:  # of what is no result, nobody else is told
                self._end("")
                self.changed()
            case _:
                super().handle(event)

    def _order(self) -> _Order | None:
        """The order that is being drawn."""
        return next(
            (order for order in self._orders if self.run is not None and order.request is self.run.request), None
        )

    def _open_orders(self) -> list[_Order]:
        asked = [*([self.run.request] if self.run is not None else []), *self.queue, *self.cleared]
        self._orders = [order for order in self._orders if any(order.request is request for request in asked)]
        return self._orders

    def _take_draft(self, picture: Picture, order: _Order) -> None:
        alone = replace(order.request, sampling=replace(order.request.sampling, seed=picture.seed, count=1))
        self.drafts.append(Draft(picture, alone, order.full))
        del self.drafts[:-MAX_DRAFTS]

    def _file_for(self, draft: Draft) -> Path | None:
        """Where a draft is kept, named by its content; PNG, so that the file holds exactly what was seen."""
        if draft.file is not None or not self.store.keep_every_picture:
            return draft.file
        name = suggested_name(Result(draft.picture, draft.request))
        return self.store.folder / FOLDER / f"{name}-{Raster.of(draft.picture.pixels).digest[:8]}.png"


def _written(result: Result, file: Path) -> Result | SdxlDesktopError:
    try:
        return replace(result, saved_to=file) if file.exists() else save_as(result, file)
    except SdxlDesktopError as problem:
        return problem
