"""The values that the window's panels edit, as they are kept between starts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.additions import EmbeddingReference, LoraReference
from sdxl_desktop.core.edit import Editing, EditParameters, check_strength
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.refine import Refining
from sdxl_desktop.core.request import MicroConditioning, Prompts, Sampling
from sdxl_desktop.core.scalars import same


@dataclass(frozen=True, slots=True, kw_only=True)
class EditPanelState(Editing):
    """The edit settings for the picture on the canvas; kept while there is none. Terms as in `EditParameters`.

    Redrawing a whole picture and filling a masked area need different strengths, and only the latter must return at the
    picture's own size, so each has its own fields: `strength` and `keep_size`, `fill_strength` and `fill_keep_size`.
    The `margin` in pixels is kept while `only_masked` is off. While `intent` is not None its values follow the mask; it
    becomes None when the user changes one of them.
    """

    intent: Intent | None = None
    fill_strength: float = same(EditParameters, "strength", 1.0)
    keep_size: bool = False
    fill_keep_size: bool = True
    mask_blur: float = same(Editing, "mask_blur", 8.0)
    only_masked: bool = False
    margin: int = same(EditParameters, "only_masked", 32)

    def __post_init__(self) -> None:
        Editing.__post_init__(self)
        check_strength(self.fill_strength)


@dataclass(frozen=True, slots=True, kw_only=True)
class RefinerPanelState(Refining):
    """Whether and how a refiner is used; kept while it is off. The terms are those of `RefinerParameters`.

    `checkpoint` is a library name (empty: the first refiner in the library). The aesthetic scores also apply if the
    main checkpoint is itself a refiner.
    """

    on: bool = False
    checkpoint: str = ""
    aesthetic_score: float = same(MicroConditioning, "aesthetic_score", 6.0)
    negative_aesthetic_score: float = same(MicroConditioning, "negative_aesthetic_score", 2.5)


@dataclass(frozen=True, slots=True)
class LoraListItem:
    """A LoRA in the list, used only while it is `on`."""

    use: LoraReference
    on: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class AdditionsPanelState:
    """The listed LoRAs and embeddings and the chosen VAE (None: the checkpoint's own); files may be missing."""

    loras: tuple[LoraListItem, ...] = ()
    embeddings: tuple[EmbeddingReference, ...] = ()
    vae: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkspaceValue:
    """The saved state of the window: the panels' values and the window's layout.

    `checkpoint` is a library name (empty: the first in the library); `geometry` and `layout` are Qt's opaque states as
    base64; `thumbnail_side` is the gallery's, in logical pixels; `seed_locked` and `variation_locked` keep a seed
    between runs; `open_sections` names the expanded sections. The aesthetic scores are the refiner's: those in
    `micro_conditioning` are ignored. `prompts` are as typed; `styles` are the names of those put on them, in order.
    `shown_picture` is the file of the result on the canvas (`path_to_text`; empty: none).
    """

    prompts: Prompts = Prompts()
    styles: tuple[str, ...] = ()
    sampling: Sampling | None = None
    micro_conditioning: MicroConditioning = MicroConditioning()
    micro_conditioning_on: bool = False
    checkpoint: str = ""
    edit: EditPanelState = EditPanelState(intent=Intent.FILL)
    refiner: RefinerPanelState = RefinerPanelState()
    additions: AdditionsPanelState = AdditionsPanelState()
    seed_locked: bool = False
    variation_locked: bool = False
    open_sections: tuple[str, ...] = ()
    geometry: str = ""
    layout: str = ""
    shown_picture: str = ""
    thumbnail_side: int = 160
    details_shown: bool = True
