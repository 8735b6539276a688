"""The errors and notes of reading a LoRA: what is wrong with the file, where, and how to fix it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from sdxl_desktop.core.errors import AdditionError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats import lora_keys
from sdxl_desktop.formats.safetensors_header import Shape, without_unit_kernel
from sdxl_desktop.lora.lycoris import WeightDelta

OTHER_LORA = "Choose a LoRA that was trained for this kind of checkpoint."
SHOWN = 90
"""Maximum length of a displayed name, in characters."""


def shape_mismatch_error(file: Path, part: Part, layer: str, delta: WeightDelta, expected: Shape) -> AdditionError:
    """Return the error that names the layer whose shape differs from the checkpoint's."""
    return AdditionError(
        f"The LoRA {file.name} is for another checkpoint.",
        why=f"In {part}.{layer} it is made for weights of {shape_text(delta.weight_shape)}, and this checkpoint has "
        f"{shape_text(without_unit_kernel(expected))}.",
        next_step=OTHER_LORA,
    )


def vector_mismatch_error(file: Path, part: Part, layer: str, found: int, expected: int) -> AdditionError:
    """Return the error that names the layer whose bias or norm has another width than the checkpoint's."""
    return AdditionError(
        f"The LoRA {file.name} is for another checkpoint.",
        why=f"In {part}.{layer} it has {found} numbers where this checkpoint has {expected}.",
        next_step=OTHER_LORA,
    )


def unreadable_error(file: Path, why: str) -> AdditionError:
    return AdditionError(
        f"The LoRA {file.name} cannot be read.",
        why=f"It is not a .safetensors file, or not all of it is there: {why[:1].lower()}{why[1:]}",
        next_step="Download it again, or choose its .safetensors form.",
    )


def damaged_error(file: Path, why: str) -> AdditionError:
    return AdditionError(f"The LoRA {file.name} is damaged.", why=why, next_step="Download it again.")


def not_a_lora_error(file: Path, keys: list[str]) -> AdditionError:
    kind = lora_keys.non_adapter_kind(keys)
    called = ", ".join(key[:SHOWN] for key in sorted(keys)[:2])
    return AdditionError(
        f"{file.name} is not a LoRA.",
        why=f"It is {kind}." if kind else f"Its tensors are called {called}.",
        next_step="Choose a LoRA in .safetensors form.",
    )


def unmatched_layers_note(file: Path, strange: Sequence[str]) -> str:
    some = ", ".join(name[:SHOWN] for name in sorted(strange)[:3])
    return (
        f"{len(strange)} of the layers in the LoRA {file.name} are not in this checkpoint and were left out: "
        f"{some}{' …' if len(strange) > 3 else ''}."
    )


def shape_text(shape: Shape) -> str:
    return "×".join(str(side) for side in shape)
