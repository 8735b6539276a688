"""Collects the values of a `ForeignRecord`: each is checked against the limits here, and listed if it does not fit."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from sdxl_desktop.core.additions import MAX_LORA_WEIGHT
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.foreign_schedulers import find_scheduler
from sdxl_desktop.core.geometry import Point, Size
from sdxl_desktop.core.prompts import MAX_AESTHETIC_SCORE, MAX_CLIP_SKIP
from sdxl_desktop.core.refine import MAX_REFINER_STEPS
from sdxl_desktop.core.request import MAX_GUIDANCE, MAX_SEED, MAX_SIDE, MAX_STEPS, SIZE_MULTIPLE
from sdxl_desktop.core.untrusted_text import display_text, replace_unencodable
from sdxl_desktop.metadata.foreign.prompt_syntax import MAX_PROMPT
from sdxl_desktop.metadata.foreign.record import ForeignLora, ForeignRecord, ForeignRefiner, ModelReference
from sdxl_desktop.metadata.weight_files import weight_file_name

_MAX_NAME = 200
_MAX_NOTES = 100
_MAX_LORAS = 100
_HASH = re.compile(r"(?:(?:blake3|sha256|sha512|md5):)?[0-9a-f]{6,128}")
_LIMITS: dict[str, tuple[str, float, float]] = {
    "seed": ("the seed", 0, MAX_SEED),
    "variation_seed": ("the variation seed", 0, MAX_SEED),
    "steps": ("the number of steps", 1, MAX_STEPS),
    "clip_skip": ("clip skip", 0, MAX_CLIP_SKIP),
    "guidance_scale": ("the guidance scale", 0, MAX_GUIDANCE),
    "guidance_rescale": ("the guidance rescale", 0, 1),
    "variation_strength": ("the variation strength", 0, 1),
    "aesthetic_score": ("the aesthetic score", 0, MAX_AESTHETIC_SCORE),
    "negative_aesthetic_score": ("the negative aesthetic score", 0, MAX_AESTHETIC_SCORE),
}
_WHOLE = frozenset({"seed", "variation_seed", "steps", "clip_skip"})
_TEXT = frozenset({"prompt", "negative_prompt", "prompt_2", "negative_prompt_2"})


class RecordBuilder:
    """The values read so far of a picture made by `program`."""

    def __init__(self, program: str, version: object = "") -> None:
        self._program, self._version = program, display_text(version or "", 60)
        self._values: dict[str, Any] = {}
        self._notes: list[str] = []
        self._loras: list[ForeignLora] = []
        self._embeddings: list[ModelReference] = []

    def build(self) -> ForeignRecord:
        """Return the record."""
        return ForeignRecord(
            program=self._program,
            version=self._version,
            loras=tuple(self._loras),
            embeddings=tuple(self._embeddings),
            unmatched=tuple(dict.fromkeys(self._notes)),
            **self._values,
        )

    def get(self, name: str) -> Any:
        """Return the value of a field set so far, None if it is not set."""
        return self._values.get(name)

    def note(self, text: str) -> None:
        """List something that has no counterpart here."""
        if len(self._notes) < _MAX_NOTES:
            self._notes.append(display_text(text, 300))

    def note_value(self, label: str, value: object) -> None:
        """List the value that the other program calls `label`."""
        name = display_text(label, 60)
        self.note(f"{name[:1].upper()}{name[1:]}: {display_text(value, 200)}")

    def text(self, name: str, value: object) -> None:
        """Set a prompt, already in this program's syntax; anything but text is ignored."""
        if name not in _TEXT:
            raise KeyError(name)
        if isinstance(value, str):
            if len(value) >= MAX_PROMPT:
                self.note(f"The end of a prompt of more than {MAX_PROMPT:,} characters")
            self._values[name] = replace_unencodable(value[:MAX_PROMPT]).replace("\0", "\ufffd")

    def number(self, name: str, value: object) -> None:
        """Set a number, given as a number or as text, if it is within its limits, else list it; None is ignored."""
        label, low, high = _LIMITS[name]
        number = as_number(value)
        if number is None:
            if value not in (None, ""):
                self.note_value(label, value)
        elif not low <= number <= high or (name in _WHOLE and number != int(number)):
            self.note_value(label, f"{display_text(value, 40)} (here from {low} to {high})")
        else:
            self._values[name] = int(number) if name in _WHOLE else float(number)

    def strength(self, value: object) -> None:
        """Set the strength with which a picture was changed, in (0, 1]; anything else is listed."""
        number = as_number(value)
        if number is not None and 0 < number <= 1:
            self._values["strength"] = float(number)
        elif value not in (None, ""):
            self.note_value("the strength", value)

    def flag(self, name: str, value: bool) -> None:
        """Set a switch."""
        self._values[name] = value

    def size(self, width: object, height: object) -> None:
        """Set the size of the picture; one that cannot be drawn is listed, with the nearest in its place."""
        sides = as_number(width), as_number(height)
        if sides[0] is None or sides[1] is None:
            return
        try:
            if not (1 <= sides[0] <= MAX_SIDE and 1 <= sides[1] <= MAX_SIDE):
                raise RequestError("too large")
            size = Size(int(sides[0]), int(sides[1]))
        except RequestError:
            self.note_value("the size", f"{display_text(width, 20)}x{display_text(height, 20)}")
            return
        fitted = size.rounded_to_multiple(SIZE_MULTIPLE)
        if fitted != size:
            self.note(f"The size {size}: {fitted} is the nearest that can be drawn")
        self._values["size"] = fitted

    def size_text(self, text: object) -> None:
        """Set the size from "WxH"."""
        width, height = split_size(text)
        self.size(width, height)

    def conditioning_size(self, name: str, width: object, height: object) -> None:
        """Set one of the sizes of the micro-conditioning."""
        sides = as_number(width), as_number(height)
        if sides[0] is None or sides[1] is None:
            return
        if all(1 <= side <= 999_999 for side in sides if side is not None):
            self._values[name] = Size(int(sides[0]), int(sides[1]))
        else:
            self.note_value(name.replace("_", " "), f"{display_text(width, 20)}x{display_text(height, 20)}")

    def crop(self, x: object, y: object) -> None:
        """Set the crop of the micro-conditioning."""
        left, top = as_number(x), as_number(y)
        if left is not None and top is not None and 0 <= left <= 999_999 and 0 <= top <= 999_999:
            self._values["crop_top_left"] = Point(int(left), int(top))

    def sampler(self, sampler: object, schedule: object = "") -> None:
        """Set the scheduler from the other program's names."""
        if not isinstance(sampler, str) or not sampler.strip():
            return
        text = schedule if isinstance(schedule, str) else ""
        found = find_scheduler(display_text(sampler, 80), display_text(text, 80))
        if found.name is not None:
            self._values["scheduler"] = found.name
        if found.lost:
            self.note(found.lost[:1].upper() + found.lost[1:])

    def checkpoint(self, name: object, content_hash: object = "") -> None:
        """Set the checkpoint."""
        if reference := model_reference(name, content_hash):
            self._values["checkpoint"] = reference

    def vae(self, name: object, content_hash: object = "") -> None:
        """Set another VAE than the checkpoint's."""
        if reference := model_reference(name, content_hash):
            self._values["vae"] = reference

    def refiner(self, name: object, content_hash: object = "", *, handoff: object = None, steps: object = None) -> None:
        """Set the refiner."""
        reference = model_reference(name, content_hash)
        if reference is None:
            return
        share, count = as_number(handoff), as_number(steps)
        if share is not None and not 0 < share < 1:
            self.note_value("where the refiner takes over", handoff)
            share = None
        if count is not None and not (1 <= count <= MAX_REFINER_STEPS and count == int(count)):
            count = None
        self._values["refiner"] = ForeignRefiner(
            model=reference,
            handoff=None if share is None else float(share),
            steps=None if count is None else int(count),
        )

    def lora(self, name: object, weight: object = 1.0, content_hash: object = "") -> None:
        """Add a LoRA; a weight that is not usable is listed."""
        reference, number = model_reference(name, content_hash), as_number(weight)
        if reference is None:
            return
        if number is None or abs(number) > MAX_LORA_WEIGHT or len(self._loras) >= _MAX_LORAS:
            self.note(f"The LoRA {reference} with the weight {display_text(weight, 40)}")
        elif all(one.model.name != reference.name for one in self._loras):
            self._loras.append(ForeignLora(reference, float(number)))

    def lora_hash(self, name: str, content_hash: object) -> None:
        """Give the LoRA called `name` its hash."""
        wanted = model_reference(name)
        digest = clean_hash(content_hash)
        self._loras = [
            ForeignLora(ModelReference(one.model.name, digest), one.weight)
            if wanted is not None and one.model.name == wanted.name and digest
            else one
            for one in self._loras
        ]

    def embedding(self, name: object, content_hash: object = "") -> None:
        """Add an embedding."""
        reference = model_reference(name, content_hash)
        if reference is not None and reference not in self._embeddings and len(self._embeddings) < _MAX_LORAS:
            self._embeddings.append(reference)


def model_reference(name: object, content_hash: object = "") -> ModelReference | None:
    """Return the reference for a file's name in any operating system's spelling; None if there is neither name nor
    hash."""
    text = display_text(weight_file_name(Path(name[:4096])), _MAX_NAME) if isinstance(name, str) else ""
    digest = clean_hash(content_hash)
    if text.lower() in ("", "none", "unknown") and not digest:
        return None
    return ModelReference(text, digest)


def clean_hash(value: object) -> str:
    """Return the hash in lower case; "" if it is none."""
    text = value.strip().lower() if isinstance(value, str) and len(value) < 200 else ""
    text = text.removeprefix("0x").removeprefix("sha256:")
    return text if _HASH.fullmatch(text) else ""


def as_number(value: object) -> float | int | None:
    """Return a finite number, from a number or the text of one; None for anything else."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str) and len(value) <= 40:
        try:
            value = int(value)
        except ValueError:
            try:
                value = float(value)
            except ValueError:
                return None
    if isinstance(value, int):
        return value if abs(value) < 2**64 else None
    return value if isinstance(value, float) and math.isfinite(value) else None


def split_size(text: object) -> tuple[str, str]:
    """Return width and height of "WxH" or "(W, H)", ("", "") for anything else."""
    found = (
        re.fullmatch(r"\D{0,3}(\d{1,6})\s{0,3}[xX×*,|]\s{0,3}(\d{1,6})\D{0,3}", text) if isinstance(text, str) else None
    )
    return (found[1], found[2]) if found else ("", "")
