"""The panels' values with chosen parts of a picture's settings."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, replace

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.edit import EditParameters
from sdxl_desktop.core.request import MicroConditioning, Prompts, Sampling
from sdxl_desktop.core.workspace_value import EditPanelState, WorkspaceValue
from sdxl_desktop.session import addition_values, edit_values
from sdxl_desktop.session.building import with_default_scores, with_recorded_refiner
from sdxl_desktop.session.settings_parts import RecordedSettings, SettingsPart

_SEED = frozenset({"seed", "count", "variation_seed", "variation_strength"})
SAMPLING_FIELDS: Mapping[SettingsPart, frozenset[str]] = {
    SettingsPart.SIZE: frozenset({"size"}),
    SettingsPart.SEED: _SEED,
    SettingsPart.SAMPLING: frozenset(one.name for one in fields(Sampling)) - _SEED - {"size"},
}
"""The fields of `Sampling` in each part."""


def with_recorded_parts(
    value: WorkspaceValue,
    settings: RecordedSettings,
    parts: Collection[SettingsPart],
    refiners: Sequence[Checkpoint],
) -> WorkspaceValue:
    """Return `value` with those `parts` of `settings` that are not in `Sampling`; a missing refiner is chosen by name,
    and a missing LoRA left out."""
    request = settings.request
    value = replace(value, prompts=_prompts(value.prompts, request.prompts, parts))
    if SettingsPart.SEED in parts:
        varied = request.sampling.variation_strength > 0
        value = replace(value, seed_locked=True, variation_locked=varied)
    if SettingsPart.REFINER in parts:
        refiner, _ = with_recorded_refiner(value.refiner, request.refine, request.micro_conditioning, refiners)
        value = replace(value, refiner=refiner)
    if SettingsPart.ADDITIONS in parts:
        additions, _ = addition_values.with_recorded_additions(value.additions, request.additions)
        value = replace(value, additions=additions)
    if SettingsPart.MICRO_CONDITIONING in parts:
        conditioning = with_default_scores(request.micro_conditioning)
        value = replace(
            value, micro_conditioning=conditioning, micro_conditioning_on=conditioning != MicroConditioning()
        )
    if SettingsPart.EDIT in parts and request.edit is not None:
        value = replace(value, edit=_edit(value.edit, request.edit, is_whole=settings.is_own))
    return value


def _prompts(present: Prompts, recorded: Prompts, parts: Collection[SettingsPart]) -> Prompts:
    if SettingsPart.PROMPT in parts:
        present = replace(present, prompt=recorded.prompt, prompt_2=recorded.prompt_2)
    if SettingsPart.NEGATIVE_PROMPT in parts:
        present = replace(
            present, negative_prompt=recorded.negative_prompt, negative_prompt_2=recorded.negative_prompt_2
        )
    return replace(present, clip_skip=recorded.clip_skip) if SettingsPart.SAMPLING in parts else present


def _edit(value: EditPanelState, edit: EditParameters, *, is_whole: bool) -> EditPanelState:
    """Return `value` with the settings of `edit`; unless it `is_whole`, only the strength was recorded."""
    if is_whole:
        return edit_values.with_recorded_edit(value, edit)
    return edit_values.with_given_values(value, {"strength": edit.strength}, masked=False)
