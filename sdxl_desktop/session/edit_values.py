"""How a picture is to be changed: what an intent means for the values that a person sets, and the edit they come to.

The window and the command line both go through here. `ground` is what lies on the canvas, `drawn` the size that the run
draws at.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from functools import lru_cache
from typing import Any

from sdxl_desktop.core.edit import Editing, EditParameters, EditSource
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.intents import Intent, IntentParameters, MaskMetrics, parameters_for_intent
from sdxl_desktop.core.raster import Raster
from sdxl_desktop.core.scalars import scalars
from sdxl_desktop.core.settings import EditPanelState

USUAL = Intent.FILL
_OF_A_MASK = {"strength": "fill_strength", "keep_size": "fill_keep_size"}
"""What a value of an `Edit` with a mask is called in an `EditPanelState`."""
WITHOUT_A_MASK = ("strength", "fit", "keep_size")
"""The values of an `Edit` that count without a mask."""
_WHOLE = MaskMetrics(1.0, Size(1, 1), Size(1, 1))
"""Stands in where an intent's values do not depend on a mask."""


def masked(ground: EditSource) -> bool:
    """Whether a picture with a mask lies on the canvas."""
    return ground.picture is not None and ground.mask is not None


def intended(value: EditPanelState, ground: EditSource, drawn: Size) -> EditPanelState:
    """`value` with what its intent means on `ground`; as it is without an intent or without a mask."""
    if value.intent is None or ground.picture is None or ground.mask is None:
        return value
    meant = parameters_for_intent(value.intent, _measured(ground.mask), drawn, _margin(value))
    return replace(value, **{_OF_A_MASK.get(one.name, one.name): getattr(meant, one.name) for one in fields(meant)})


def picked(value: EditPanelState, intent: Intent, ground: EditSource, drawn: Size) -> EditPanelState:
    """`value` with all that `intent` means; it follows the mask until one of these values is changed."""
    value = replace(value, intent=intent)
    if intent is Intent.REFINE:
        value = replace(value, strength=parameters_for_intent(intent, _WHOLE, _WHOLE.picture_size).strength)
    return intended(value, ground, drawn)


def changed(before: EditPanelState, now: EditPanelState, ground: EditSource, drawn: Size) -> EditPanelState:
    """`now`, to which a person changed `before`: an intent that decides what was changed is over, one that does not
    follows."""
    if _decided(before, ground) != _decided(now, ground):
        now = replace(now, intent=None)
    return intended(now, ground, drawn)


def on_ground(value: EditPanelState, ground: EditSource, drawn: Size) -> EditPanelState:
    """`value` now that `ground` lies there. What Expand added is drawn, or undone, where nothing is masked."""
    if value.intent is Intent.EXPAND and ground.mask is None:
        value = replace(value, intent=USUAL)
    return intended(value, ground, drawn)


def for_another_picture(value: EditPanelState) -> EditPanelState:
    """`value` with the usual intent, unless the person's own values are set."""
    return value if value.intent in (None, USUAL) else replace(value, intent=USUAL)


def edit_of(value: EditPanelState, ground: EditSource, drawn: Size) -> EditParameters | None:
    """What is to be done to `ground`: None where no picture lies there. Raises RequestError for an empty mask."""
    if ground.picture is None:
        return None
    value = intended(value, ground, drawn)
    if ground.mask is None:
        return EditParameters(picture=ground.picture, strength=value.strength, fit=value.fit, keep_size=value.keep_size)
    return EditParameters(
        picture=ground.picture,
        mask=ground.mask,
        only_masked=_margin(value),
        keep_size=value.fill_keep_size,
        **{name: getattr(value, _OF_A_MASK.get(name, name)) for name in scalars(Editing)},
    )


def with_own(value: EditPanelState, given: Mapping[str, Any], *, masked: bool) -> EditPanelState:
    """`value` with the `given` values of an `Edit`, which no intent decides any more where there are any."""
    own = {_OF_A_MASK.get(name, name) if masked else name: one for name, one in given.items()}
    if "only_masked" in own:
        margin = own["only_masked"]
        own |= {"only_masked": margin is not None, "margin": value.margin if margin is None else margin}
    return replace(value, intent=None, **own) if own else value


def reused(value: EditPanelState, edit: EditParameters) -> EditPanelState:
    """`value` with how a picture was changed; what `edit` says nothing of stays."""
    names = scalars(EditParameters) if edit.mask is not None else WITHOUT_A_MASK
    return with_own(value, {name: getattr(edit, name) for name in names}, masked=edit.mask is not None)


def _decided(value: EditPanelState, ground: EditSource) -> tuple[object, ...]:
    """What an intent decides of `value` on `ground`."""
    if masked(ground):
        return tuple(getattr(value, _OF_A_MASK.get(one.name, one.name)) for one in fields(IntentParameters))
    return (value.strength,) if value.intent is Intent.REFINE else ()


@lru_cache(maxsize=1)
def _measured(mask: Raster) -> MaskMetrics:
    return MaskMetrics.from_mask(mask.array)


def _margin(value: EditPanelState) -> int | None:
    return value.margin if value.only_masked else None
