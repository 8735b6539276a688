"""Grids: requests that differ in up to three parameters, for comparing their pictures."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from difflib import get_close_matches
from enum import StrEnum
from itertools import product
from typing import Any, TypeVar

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.number_parsing import format_number, parse_float
from sdxl_desktop.core.request import GenerationRequest, Sampling
from sdxl_desktop.core.scalars import scalars
from sdxl_desktop.core.seeds import parse_seed, random_seed
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.session.addition_library import LoraLookup
from sdxl_desktop.session.declared_values import DeclaredValue, declared_values
from sdxl_desktop.session.prompt_loras import with_prompt_loras, without_prompt_loras

MAX_CELLS = 10_000
CHECKPOINT, LORA_WEIGHT, PROMPT, REPLACE = "checkpoint", "lora_weight", "prompt", "replace"
_LABELS = {
    CHECKPOINT: "Checkpoint",
    LORA_WEIGHT: "LoRA weight",
    PROMPT: "Prompt",
    REPLACE: "Replace in the prompt",
}
_LEFT_OUT = {"count", "watermark", "device", "text_device", "unet_device", "vae_device", "threads"}
"""Declared values that do not change one picture."""
_RANGE = re.compile(
    r"(?P<first>[^:\[\]()]+?)\s*(?:\.\.|-)\s*(?P<last>[^:\[\]()]+?)\s*(?:[:(]\s*\+?(?P<step>.+?)\)?|\[(?P<count>\d+)\])?"
)
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class GridParameter:
    """Something that a grid can vary: its name as typed, its label on the screen, and whether it is a number."""

    name: str
    label: str
    is_number: bool = False


@dataclass(frozen=True, slots=True)
class GridAxis:
    """One direction of a grid: the parameter, and its values as text."""

    parameter: GridParameter
    values: tuple[str, ...]

    def label(self, value: str) -> str:
        """Return the label of a row, column or section."""
        return f"{self.parameter.label}: {value}"


@dataclass(frozen=True, slots=True)
class GridCell:
    """One picture of a grid: its place along each axis, from 0, and its request."""

    place: tuple[int, ...]
    request: GenerationRequest


def grid_parameters() -> tuple[GridParameter, ...]:
    """Return everything that a grid can vary, in the order of the command line's help."""
    declared = (
        GridParameter(one.name, _label(one), one.option.typed in ("whole", "real", "seed"))
        for one in declared_values()
        if one.name not in _LEFT_OUT
    )
    special = (GridParameter(name, label, name == LORA_WEIGHT) for name, label in _LABELS.items())
    return (*special, *declared)


def _label(one: DeclaredValue) -> str:
    row = scalars(one.part)[one.field].row
    return one.name.replace("_", " ").capitalize() if row is None else row.name


def parse_axis(text: str) -> GridAxis:
    """Parse "NAME=VALUES": values separated by commas, or by semicolons if there is one, and for numbers ranges:
    "10-50 (+10)", "10..50:10" or "1-10 [4]" for four evenly spaced ones. Raises RequestError."""
    name, equals, values = text.partition("=")
    wanted = name.strip().lower().removeprefix("--").replace("-", "_").replace(" ", "_")
    found = next((one for one in grid_parameters() if one.name == wanted), None)
    if not equals or found is None:
        near = get_close_matches(wanted, [one.name for one in grid_parameters()], n=1)
        raise RequestError(
            f"There is no parameter {display_text(name.strip(), 40)!r} for a grid.",
            next_step=f"Did you mean {near[0]}=…?" if near else "Write for instance steps=10,20,30.",
        )
    return GridAxis(found, parse_axis_values(found, values))


def parse_axis_values(parameter: GridParameter, text: str) -> tuple[str, ...]:
    """Parse the values of an axis as in `parse_axis`; raises RequestError if there are none or too many."""
    separator = ";" if ";" in text else "\n" if "\n" in text else ","
    given = [one.strip() for one in text.split(separator)]
    values: list[str] = []
    for one in given:
        found = _RANGE.fullmatch(one) if parameter.is_number else None
        values += [one] if found is None else _numbers(found, one)
        if len(values) > MAX_CELLS:
            raise RequestError(f"{parameter.label} has more than {MAX_CELLS:,} values.", next_step="Choose fewer.")
    if not any(values):
        raise RequestError(
            f"{parameter.label} has no values.", next_step=f"Write for instance {parameter.name}=10,20,30."
        )
    return tuple(values)


def _numbers(found: re.Match[str], text: str) -> list[str]:
    first, last = parse_float(found["first"]), parse_float(found["last"])
    if found["count"] is not None:
        count = int(found["count"])
        if not 1 <= count <= MAX_CELLS:
            raise RequestError(f"{text!r} asks for {count} values.", next_step=f"Ask for 1 to {MAX_CELLS:,}.")
        step = (last - first) / (count - 1) if count > 1 else 0.0
        return [_number(first + step * number) for number in range(count)]
    step = parse_float(found["step"]) if found["step"] is not None else 1.0
    step = abs(step) if last >= first else -abs(step)
    if step == 0 or (last - first) / step > MAX_CELLS:
        raise RequestError(f"{text!r} has too many values.", next_step="Choose a larger step.")
    return [_number(first + step * number) for number in range(int((last - first) / step + 1e-9) + 1)]


def _number(value: float) -> str:
    return format_number(round(value, 9))


def known_values(parameter: GridParameter) -> tuple[str, ...]:
    """Return the values that a parameter with a fixed list of them can have; empty for all others."""
    kind = next((one.kind for one in declared_values() if one.name == parameter.name), None)
    return tuple(one.value for one in kind) if isinstance(kind, type) and issubclass(kind, StrEnum) else ()


def grid_size(axes: Sequence[GridAxis]) -> int:
    """Return the number of cells."""
    count = 1
    for axis in axes:
        count *= len(axis.values)
    return count


def grid_cells(
    base: GenerationRequest,
    axes: Sequence[GridAxis],
    find_checkpoint: Callable[[str], Checkpoint],
    lora_lookup: LoraLookup | None = None,
    *,
    leave_out_unknown_loras: bool = False,
) -> tuple[GridCell, ...]:
    """Return the cells, of one picture each, ordered so that the checkpoint changes as rarely as possible.

    `find_checkpoint` finds a checkpoint by name, `lora_lookup` the LoRAs that tags in prompts name (None: tags are
    text): an axis that changes the prompt may change its tags. Raises RequestError, or what they raise, for the first
    value that does not fit, before anything is drawn.
    """
    if grid_size(axes) > MAX_CELLS:
        raise RequestError(
            f"The grid has {grid_size(axes):,} pictures; at most {MAX_CELLS:,} make sense.", next_step="Choose fewer."
        )
    names = [axis.parameter.name for axis in axes]
    single = (axis.parameter for axis in axes if axis.parameter.name != REPLACE)
    twice = next((parameter.label for parameter in single if names.count(parameter.name) > 1), None)
    if twice is not None:
        raise RequestError(f"{twice} is on two axes.", next_step="Choose another parameter for one of them.")
    first = base.with_pictures(0, replace(base.sampling, count=1)).of_picture(0)
    changes_tags = lora_lookup is not None and not {PROMPT, REPLACE}.isdisjoint(names)
    if changes_tags:
        first = without_prompt_loras(first)
    checked = {
        name: find_checkpoint(name) for axis in axes if axis.parameter.name == CHECKPOINT for name in axis.values
    }
    fixed = [_with_fixed_seeds(axis) for axis in axes]
    places = product(*(range(len(axis.values)) for axis in fixed))
    by_checkpoint = next((number for number, name in enumerate(names) if name == CHECKPOINT), None)
    ordered = sorted(places, key=lambda place: (0 if by_checkpoint is None else place[by_checkpoint], place))
    cells: list[GridCell] = []
    for place in ordered:
        request = first
        for axis, number in zip(fixed, place, strict=True):
            request = _with_value(request, axis, axis.values[number], checked)
        if changes_tags:
            request = with_prompt_loras(request, lora_lookup, leave_out_unknown=leave_out_unknown_loras)
        cells.append(GridCell(place, request))
    return tuple(cells)


def _with_fixed_seeds(axis: GridAxis) -> GridAxis:
    """Replace random seeds by numbers, so that a whole row or column has the same one."""
    if axis.parameter.name not in ("seed", "variation_seed"):
        return axis
    seeds = (parse_seed(value) for value in axis.values)
    return replace(axis, values=tuple(str(random_seed() if seed is None else seed) for seed in seeds))


def _with_value(
    request: GenerationRequest, axis: GridAxis, value: str, checkpoints: dict[str, Checkpoint]
) -> GenerationRequest:
    prompts = request.prompts
    match axis.parameter.name:
        case "checkpoint":
            checkpoint = checkpoints[value]
            checkpoint.check_size(request.sampling.size)
            return replace(request, checkpoint=checkpoint.folder)
        case "lora_weight":
            if not request.additions.loras:
                raise RequestError("There is no LoRA whose weight could vary.", next_step="Add one first.")
            loras = tuple(replace(one, weight=parse_float(value)) for one in request.additions.loras)
            return replace(request, additions=replace(request.additions, loras=loras))
        case "prompt":
            return replace(request, prompts=replace(prompts, prompt=value))
        case "replace":
            wanted = axis.values[0]
            if wanted not in prompts.prompt and wanted not in prompts.negative_prompt:
                raise RequestError(
                    f"{display_text(wanted, 60)!r} does not occur in the prompt.",
                    next_step="The first value is what the others replace.",
                )
            return replace(
                request,
                prompts=replace(
                    prompts,
                    prompt=prompts.prompt.replace(wanted, value),
                    negative_prompt=prompts.negative_prompt.replace(wanted, value),
                ),
            )
    one = next(one for one in declared_values() if one.name == axis.parameter.name)
    changes = {one.field: one.parse(value)}
    if one.part is Sampling and one.field == "steps":
        changes["timesteps"] = ()
    changed = _replaced(request, one.part, changes)
    if changed is None:
        raise RequestError(
            f"{axis.parameter.label} does not apply to this run.",
            next_step="It needs a picture to change, a mask or a refiner; add it, or choose another parameter.",
        )
    return changed


def _replaced(value: T, part: type, changes: dict[str, Any]) -> T | None:
    """Return `value` with `changes` in its nested dataclass of type `part`; None if it has none."""
    for one in fields(value):  # type: ignore[arg-type]
        inner = getattr(value, one.name)
        if type(inner) is part:
            return replace(value, **{one.name: replace(inner, **changes)})  # type: ignore[type-var]
        if is_dataclass(inner) and not isinstance(inner, type):
            changed = _replaced(inner, part, changes)
            if changed is not None:
                return replace(value, **{one.name: changed})  # type: ignore[type-var]
    return None
