"""How a picture is edited: apply an intent to the panel values, and build the edit from them.

Used by the window and the command line. `edit_source` is the canvas content, `drawn` the drawing size of the run.
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
from sdxl_desktop.core.workspace_value import EditPanelState

DEFAULT_INTENT = Intent.FILL
_MASKED_FIELD_NAMES = {"strength": "fill_strength", "keep_size": "fill_keep_size"}
"""Maps fields of `EditParameters` to those of `EditPanelState` that apply with a mask."""
WITHOUT_A_MASK = ("strength", "fit", "keep_size")
"""The fields of `EditParameters` that apply without a mask."""
_WHOLE = MaskMetrics(1.0, Size(1, 1), Size(1, 1))
"""Placeholder if an intent's values do not depend on a mask."""


def has_mask(edit_source: EditSource) -> bool:
    """Whether there is a picture with a mask on the canvas."""
    return edit_source.picture is not None and edit_source.mask is not None


def apply_current_intent(value: EditPanelState, edit_source: EditSource, drawn: Size) -> EditPanelState:
    """Return `value` with its intent applied to `edit_source`; unchanged without an intent or mask."""
    if value.intent is None or edit_source.picture is None or edit_source.mask is None:
        return value
    meant = parameters_for_intent(value.intent, _measured(edit_source.mask), drawn, _margin(value))
    return replace(
        value, **{_MASKED_FIELD_NAMES.get(one.name, one.name): getattr(meant, one.name) for one in fields(meant)}
    )


def with_intent(value: EditPanelState, intent: Intent, edit_source: EditSource, drawn: Size) -> EditPanelState:
    """Return `value` with `intent` applied; it follows the mask until one of its values is changed."""
    value = replace(value, intent=intent)
    if intent is Intent.REFINE:
        value = replace(value, strength=parameters_for_intent(intent, _WHOLE, _WHOLE.picture_size).strength)
    return apply_current_intent(value, edit_source, drawn)


def after_user_change(
    before: EditPanelState, now: EditPanelState, edit_source: EditSource, drawn: Size
) -> EditPanelState:
    """Return `now` after a user changed `before`: an intent is dropped if a value it determines was changed, otherwise
    applied again."""
    if _decided(before, edit_source) != _decided(now, edit_source):
        now = replace(now, intent=None)
    return apply_current_intent(now, edit_source, drawn)


def with_edit_source(value: EditPanelState, edit_source: EditSource, drawn: Size) -> EditPanelState:
    """Return `value` for a new `edit_source`. Without a mask, Expand is reset: its area was generated, or undone."""
    if value.intent is Intent.EXPAND and edit_source.mask is None:
        value = replace(value, intent=DEFAULT_INTENT)
    return apply_current_intent(value, edit_source, drawn)


def with_default_intent(value: EditPanelState) -> EditPanelState:
    """Return `value` with the default intent, unless the user's own values are set."""
    return value if value.intent in (None, DEFAULT_INTENT) else replace(value, intent=DEFAULT_INTENT)


def build_edit_parameters(value: EditPanelState, edit_source: EditSource, drawn: Size) -> EditParameters | None:
    """Return the edit of `edit_source`: None without a picture. Raises RequestError for an empty mask."""
    if edit_source.picture is None:
        return None
    value = apply_current_intent(value, edit_source, drawn)
    if edit_source.mask is None:
        return EditParameters(
            picture=edit_source.picture,
            strength=value.strength,
            fit=value.fit,
            keep_size=value.keep_size,
            origin=edit_source.origin,
        )
    return EditParameters(
        picture=edit_source.picture,
        mask=edit_source.mask,
        only_masked=_margin(value),
        keep_size=value.fill_keep_size,
        origin=edit_source.origin,
        **{name: getattr(value, _MASKED_FIELD_NAMES.get(name, name)) for name in scalars(Editing)},
    )


def with_given_values(value: EditPanelState, given: Mapping[str, Any], *, masked: bool) -> EditPanelState:
    """Return `value` with the `given` fields of `EditParameters`; if there are any, no intent applies any more."""
    own = {_MASKED_FIELD_NAMES.get(name, name) if masked else name: one for name, one in given.items()}
    if "only_masked" in own:
        margin = own["only_masked"]
        own |= {"only_masked": margin is not None, "margin": value.margin if margin is None else margin}
    return replace(value, intent=None, **own) if own else value


def with_recorded_edit(value: EditPanelState, edit: EditParameters) -> EditPanelState:
    """Return `value` with the settings of `edit`; values that `edit` does not have are unchanged."""
    names = scalars(EditParameters) if edit.mask is not None else WITHOUT_A_MASK
    return with_given_values(value, {name: getattr(edit, name) for name in names}, masked=edit.mask is not None)


def _decided(value: EditPanelState, edit_source: EditSource) -> tuple[object, ...]:
    """Return the values of `value` that an intent determines on `edit_source`."""
    if has_mask(edit_source):
        return tuple(getattr(value, _MASKED_FIELD_NAMES.get(one.name, one.name)) for one in fields(IntentParameters))
    return (value.strength,) if value.intent is Intent.REFINE else ()


@lru_cache(maxsize=1)
def _measured(mask: Raster) -> MaskMetrics:
    return MaskMetrics.from_mask(mask.array)


def _margin(value: EditPanelState) -> int | None:
    return value.margin if value.only_masked else None
