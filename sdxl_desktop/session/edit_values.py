"""How a picture is edited: apply an intent to the panel values, and build the edit from them.

Used by the window and the command line. `ground` is the canvas content, `drawn` the drawing size of the run.
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
"""Maps fields of `EditParameters` to those of `EditPanelState` that apply with a mask."""
WITHOUT_A_MASK = ("strength", "fit", "keep_size")
"""The fields of `EditParameters` that apply without a mask."""
_WHOLE = MaskMetrics(1.0, Size(1, 1), Size(1, 1))
"""Placeholder if an intent's values do not depend on a mask."""


def masked(ground: EditSource) -> bool:
    """Whether there is a picture with a mask on the canvas."""
    return ground.picture is not None and ground.mask is not None


def intended(value: EditPanelState, ground: EditSource, drawn: Size) -> EditPanelState:
    """Return `value` with its intent applied to `ground`; unchanged without an intent or mask."""
    if value.intent is None or ground.picture is None or ground.mask is None:
        return value
    meant = parameters_for_intent(value.intent, _measured(ground.mask), drawn, _margin(value))
    return replace(value, **{_OF_A_MASK.get(one.name, one.name): getattr(meant, one.name) for one in fields(meant)})


def picked(value: EditPanelState, intent: Intent, ground: EditSource, drawn: Size) -> EditPanelState:
    """Return `value` with `intent` applied; it follows the mask until one of its values is changed."""
    value = replace(value, intent=intent)
    if intent is Intent.REFINE:
        value = replace(value, strength=parameters_for_intent(intent, _WHOLE, _WHOLE.picture_size).strength)
    return intended(value, ground, drawn)


def changed(before: EditPanelState, now: EditPanelState, ground: EditSource, drawn: Size) -> EditPanelState:
    """Return `now` after a user changed `before`: an intent is dropped if a value it determines was changed, otherwise
    applied again."""
    if _decided(before, ground) != _decided(now, ground):
        now = replace(now, intent=None)
    return intended(now, ground, drawn)


def on_ground(value: EditPanelState, ground: EditSource, drawn: Size) -> EditPanelState:
    """Return `value` for a new `ground`. Without a mask, Expand is reset: its area was generated, or undone."""
    if value.intent is Intent.EXPAND and ground.mask is None:
        value = replace(value, intent=USUAL)
    return intended(value, ground, drawn)


def for_another_picture(value: EditPanelState) -> EditPanelState:
    """Return `value` with the default intent, unless the user's own values are set."""
    return value if value.intent in (None, USUAL) else replace(value, intent=USUAL)


def edit_of(value: EditPanelState, ground: EditSource, drawn: Size) -> EditParameters | None:
    """Return the edit of `ground`: None without a picture. Raises RequestError for an empty mask."""
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
    """Return `value` with the `given` fields of `EditParameters`; if there are any, no intent applies any more."""
    own = {_OF_A_MASK.get(name, name) if masked else name: one for name, one in given.items()}
    if "only_masked" in own:
        margin = own["only_masked"]
        own |= {"only_masked": margin is not None, "margin": value.margin if margin is None else margin}
    return replace(value, intent=None, **own) if own else value


def reused(value: EditPanelState, edit: EditParameters) -> EditPanelState:
    """Return `value` with the settings of `edit`; values that `edit` does not have are unchanged."""
    names = scalars(EditParameters) if edit.mask is not None else WITHOUT_A_MASK
    return with_own(value, {name: getattr(edit, name) for name in names}, masked=edit.mask is not None)


def _decided(value: EditPanelState, ground: EditSource) -> tuple[object, ...]:
    """Return the values of `value` that an intent determines on `ground`."""
    if masked(ground):
        return tuple(getattr(value, _OF_A_MASK.get(one.name, one.name)) for one in fields(IntentParameters))
    return (value.strength,) if value.intent is Intent.REFINE else ()


@lru_cache(maxsize=1)
def _measured(mask: Raster) -> MaskMetrics:
    return MaskMetrics.from_mask(mask.array)


def _margin(value: EditPanelState) -> int | None:
    return value.margin if value.only_masked else None
