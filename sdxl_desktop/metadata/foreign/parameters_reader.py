"""Reads the `parameters` text of AUTOMATIC1111's web UI, which Forge, SD.Next, Fooocus and Krita AI write too.

The prompt, then a line "Negative prompt: …", then one line of "Name: value" pairs, values with commas in JSON's quotes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress

from sdxl_desktop.core.untrusted_files import UntrustedFileError, parse_json
from sdxl_desktop.metadata.foreign.prompt_syntax import from_a1111, from_comfyui, without_tags
from sdxl_desktop.metadata.foreign.record import ForeignRecord
from sdxl_desktop.metadata.foreign.record_builder import RecordBuilder, as_number, clean_hash

_NEGATIVE = "Negative prompt:"
_MAX_PAIRS = 500
_MIN_PAIRS = 3
_MAX_NAME = 60
_DEFAULT_CLIP_SKIP = 2
"""SDXL's own layer, in the count of the web UI, where smaller numbers have no effect on it."""
_READ = frozenset({
    "Steps", "Sampler", "Schedule type", "CFG scale", "Seed", "Size", "Model", "Model hash", "VAE", "VAE hash",
    "Clip skip", "Denoising strength", "Refiner", "Refiner switch at", "Version", "Lora hashes", "Lora weights",
    "TI hashes", "Hashes", "Variation seed", "Variation seed strength", "App", "Scheduler", "Noise Schedule",
})  # fmt: skip
_WITHOUT_EFFECT = frozenset({
    "Pad conds", "User", "Created", "Created Date", "Backend", "Operations", "Pipeline", "Parser", "Batch", "Index",
    "Civitai resources", "Civitai metadata", "RNG", "Metadata scheme", "Diffusion in Low Bits", "Module 1", "Source",
})  # fmt: skip
"""Names that say nothing about the picture, or that are answered by what "again" gives."""


def is_parameters(text: str) -> bool:
    """Whether `text` has the line of "Name: value" pairs."""
    return _split(text) is not None


def read_parameters(text: str, *, software: str = "") -> ForeignRecord | None:
    """Return what the `parameters` text says, None if it is something else. `software`: the file's "Software" entry."""
    found = _split(text)
    if found is None:
        return None
    prompt, negative, pairs, extra = found
    program, version = _program(pairs, software)
    builder = RecordBuilder(program, version)
    convert = from_comfyui if program in ("Krita AI Diffusion", "Fooocus") else from_a1111
    for name, words in (("prompt", prompt), ("negative_prompt", negative)):
        tags = without_tags(words)
        read = convert(tags.text)
        builder.text(name, read.text)
        for lost in (*tags.lost, *read.lost):
            builder.note(lost)
        for lora in tags.loras if name == "prompt" else ():
            builder.lora(lora.name, lora.weight)
        for embedding in read.embeddings:
            builder.embedding(embedding)
    _read_sampling(builder, pairs, program)
    _read_models(builder, pairs)
    _read_second_pass(builder, pairs)
    for name, value in pairs.items():
        if name not in _READ and name not in _WITHOUT_EFFECT and not name.startswith("Hires "):
            builder.note_value(name, value)
    for line in extra:
        builder.note(line)
    return builder.build()


def _split(text: str) -> tuple[str, str, dict[str, str], list[str]] | None:
    """Return prompt, negative prompt, the pairs, and lines after the pairs; None if there are no pairs."""
    lines = text.strip().split("\n")
    for back, line in enumerate(reversed(lines[-12:])):
        if ":" not in line:
            continue
        pairs = parse_pairs(line)
        if len(pairs) >= _MIN_PAIRS and ("Steps" in pairs or "Seed" in pairs):
            at = len(lines) - 1 - back
            break
    else:
        return None
    prompts: tuple[list[str], list[str]] = ([], [])
    is_negative = False
    for line in lines[:at]:
        words = line.strip("\r")
        if words.strip().startswith(_NEGATIVE):
            is_negative = True
            words = words.strip().removeprefix(_NEGATIVE).lstrip()
        prompts[is_negative].append(words)
    return "\n".join(prompts[0]).strip(), "\n".join(prompts[1]).strip(), pairs, lines[at + 1 :]


def parse_pairs(line: str) -> dict[str, str]:
    """Parse "Name: value, Name: "value, with comma"", in time proportional to its length."""
    pairs: dict[str, str] = {}
    at, end = 0, len(line)
    while at < end and len(pairs) < _MAX_PAIRS:
        colon = line.find(":", at)
        if colon < 0:
            break
        name = line[max(at, colon - 200) : colon].rpartition(",")[2].strip()
        at = colon + 1
        while at < end and line[at] == " ":
            at += 1
        value, at = _value(line, at)
        if name and len(name) <= _MAX_NAME:
            pairs.setdefault(name, value)
    return pairs


def _value(line: str, at: int) -> tuple[str, int]:
    """Return the value at `at`, and where the next pair begins."""
    if line.startswith(("{", "[", '"'), at):
        with suppress(ValueError, RecursionError):
            value, end = json.JSONDecoder().raw_decode(line[at : at + 65_536])
            comma = line.find(",", at + end)
            text = value if isinstance(value, str) else line[at : at + end]
            return text, comma + 1 if comma >= 0 else len(line)
    comma = line.find(",", at)
    end = comma if comma >= 0 else len(line)
    return line[at:end].strip(), min(end + 1, len(line))


def _program(pairs: Mapping[str, str], software: str) -> tuple[str, str]:
    """Return the program that wrote the text, and its version."""
    version, app = pairs.get("Version", ""), pairs.get("App", "")
    if version.startswith("Fooocus"):
        return "Fooocus", version.removeprefix("Fooocus").strip()
    if version.startswith("SDXL Desktop"):
        return "SDXL Desktop", version.removeprefix("SDXL Desktop").strip()
    if "SD.Next" in app or version.startswith("SD.Next"):
        return "SD.Next", version.removeprefix("SD.Next").strip()
    if version.startswith(("f0.", "f1.", "f2.", "forge", "neo")) or "Diffusion in Low Bits" in pairs:
        return "Forge", version
    if version.startswith("ComfyUI"):
        return "ComfyUI", version.removeprefix("ComfyUI").strip()
    if pairs.get("Model hash", "").lower() == "unknown" and not version:
        return "Krita AI Diffusion", ""
    if "draw things" in software.lower():
        return "Draw Things", ""
    return "AUTOMATIC1111", version.removeprefix("v") if version[:2].lower().startswith("v") else version


def _read_sampling(builder: RecordBuilder, pairs: Mapping[str, str], program: str) -> None:
    for field, name in (("steps", "Steps"), ("guidance_scale", "CFG scale"), ("seed", "Seed")):
        builder.number(field, pairs.get(name))
    sampler = pairs.get("Sampler", "")
    if program == "Krita AI Diffusion":
        sampler = sampler.rpartition(" - ")[2]  # "Default - DPM++ 2M"
    builder.sampler(sampler, pairs.get("Schedule type", pairs.get("Scheduler", "")))
    builder.size_text(pairs.get("Size"))
    builder.number("variation_strength", pairs.get("Variation seed strength"))
    if builder.get("variation_strength"):
        builder.number("variation_seed", pairs.get("Variation seed"))
    if (skip := as_number(pairs.get("Clip skip"))) is not None:
        usual = 1 if program == "SD.Next" else _DEFAULT_CLIP_SKIP
        builder.number("clip_skip", max(0, skip - usual))
    if (schedule := pairs.get("Noise Schedule")) is not None:
        if schedule == "Zero Terminal SNR":
            builder.flag("zero_terminal_snr", True)
        elif schedule != "Default":
            builder.note_value("Noise Schedule", schedule)


def _read_models(builder: RecordBuilder, pairs: Mapping[str, str]) -> None:
    hashes = _json_hashes(pairs.get("Hashes", ""))
    builder.checkpoint(pairs.get("Model", ""), pairs.get("Model hash") or hashes.get("model", ""))
    if pairs.get("VAE", "").lower() not in ("", "automatic", "default", "default (model)", "none"):
        builder.vae(pairs["VAE"], pairs.get("VAE hash") or hashes.get("vae", ""))
    if refiner := pairs.get("Refiner", ""):
        name, _, digest = refiner.rpartition(" [")
        has_hash = bool(name) and clean_hash(digest.rstrip("] ")) != ""
        builder.refiner(
            name if has_hash else refiner,
            digest.rstrip("] ") if has_hash else "",
            handoff=pairs.get("Refiner switch at"),
        )
    for name, weight in _name_values(pairs.get("Lora weights", "")):
        builder.lora(name, weight)
    for name, digest in _name_values(pairs.get("Lora hashes", "")):
        builder.lora_hash(name, digest)
    for name, digest in hashes.items():
        kind, _, model = name.partition(":")
        if kind == "lora":
            builder.lora_hash(model, digest)
        elif kind == "embed":
            builder.embedding(model, digest)
    for name, digest in _name_values(pairs.get("TI hashes", "")):
        builder.embedding(name, digest)


def _read_second_pass(builder: RecordBuilder, pairs: Mapping[str, str]) -> None:
    """Read "Denoising strength", which belongs to the second, larger pass if there is one."""
    hires = {name: value for name, value in pairs.items() if name.startswith("Hires ")}
    if hires:
        description = ", ".join(f"{name.removeprefix('Hires ')} {value}" for name, value in hires.items())
        strength = pairs.get("Denoising strength", "")
        builder.note(
            f"A second pass at a larger size (Hires): {description}{f', strength {strength}' if strength else ''}"
        )
    else:
        builder.strength(pairs.get("Denoising strength"))


def _json_hashes(text: str) -> dict[str, str]:
    with suppress(UntrustedFileError):
        value = parse_json(text[:65_536]) if text.startswith("{") else {}
        return {str(name): digest for name, digest in value.items() if isinstance(digest, str)}
    return {}


def _name_values(text: str) -> list[tuple[str, str]]:
    """Parse "name: value, name: value"."""
    parts = [part.rpartition(":") for part in text[:65_536].split(",")[:_MAX_PAIRS]]
    return [(name.strip(), value.strip()) for name, colon, value in parts if colon and name.strip()]
