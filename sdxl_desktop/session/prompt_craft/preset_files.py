"""The file of the person's presets, and preset files that are shared."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import msgspec

from sdxl_desktop.core.errors import RequestError, SettingsError
from sdxl_desktop.core.lenient_decoding import RejectedValue, decode_leniently, to_builtins
from sdxl_desktop.core.state_file import read_state, update_state, write_raw_json
from sdxl_desktop.core.untrusted_files import UntrustedFileError, read_json_object
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.session.prompt_craft.presets import SettingsPreset, check_name

ENDING = ".sdxlpreset.json"
MAX_PRESETS = 500
_KIND = "sdxl-desktop preset"
_VERSION = 1
_MAX_BYTES = 2**20
_MAX_REPORTED = 5
_SAVE_FAILED = "Your presets could not be saved."


class OwnPresets(msgspec.Struct, frozen=True):
    """The content of the file of the person's presets."""

    presets: tuple[SettingsPreset, ...] = ()


@dataclass(frozen=True, slots=True)
class ImportedPreset:
    """A preset from a file, and a sentence about each value that could not be used and was left out."""

    preset: SettingsPreset
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class PresetStore:
    """The person's presets, in one file that several windows share."""

    file: Path

    def load(self) -> tuple[SettingsPreset, ...]:
        """Return the presets, sorted by name. Never raises."""
        held = read_state(self.file, OwnPresets, OwnPresets()).presets
        return tuple(sorted(held, key=lambda preset: preset.name.lower()))

    def named(self, name: str) -> SettingsPreset | None:
        """Return the preset `name`, in any case; None if there is none."""
        found = [preset for preset in self.load() if preset.name.lower() == name.strip().lower()]
        return next((preset for preset in found if preset.name == name), found[0] if found else None)

    def save(self, preset: SettingsPreset) -> None:
        """Add a preset, in place of that of the same name; raises SettingsError."""
        self._change(lambda held: (*_without(held, preset.name), preset))

    def rename(self, name: str, new_name: str) -> None:
        """Rename a preset; raises RequestError for an invalid name or that of another preset, and SettingsError."""
        check_name(new_name)

        def change(held: tuple[SettingsPreset, ...]) -> tuple[SettingsPreset, ...]:
            if name != new_name and any(preset.name == new_name for preset in held):
                raise RequestError(
                    f"There is a preset called {display_text(new_name, 60)!r} already.",
                    next_step="Choose another name, or delete that one first.",
                )
            return tuple(replace(preset, name=new_name) if preset.name == name else preset for preset in held)

        self._change(change)

    def delete(self, name: str) -> None:
        """Delete a preset; raises SettingsError."""
        self._change(lambda held: _without(held, name))

    def _change(self, change: Callable[[tuple[SettingsPreset, ...]], tuple[SettingsPreset, ...]]) -> None:
        def changed(held: OwnPresets) -> OwnPresets:
            made = change(held.presets)
            if len(made) > MAX_PRESETS:
                raise SettingsError("There are too many presets.", next_step="Delete some of them first.")
            return OwnPresets(made)

        update_state(self.file, OwnPresets, OwnPresets(), changed, _SAVE_FAILED)


def _without(held: tuple[SettingsPreset, ...], name: str) -> tuple[SettingsPreset, ...]:
    return tuple(preset for preset in held if preset.name != name)


def write_preset_file(preset: SettingsPreset, file: Path) -> None:
    """Write a preset for sharing; raises SettingsError."""
    content = {name: value for name, value in to_builtins(preset).items() if value is not None}
    write_raw_json(
        file, {"kind": _KIND, "version": _VERSION, "preset": content}, "The preset could not be written to the file."
    )


def read_preset_file(file: Path) -> ImportedPreset:
    """Return the preset in a file, with all its usable values. Raises RequestError if it holds none."""
    try:
        content = read_json_object(file, _MAX_BYTES)
    except UntrustedFileError as problem:
        raise _no_preset(file, f"Because {problem}.") from problem
    raw, version = content.get("preset"), content.get("version")
    if content.get("kind") != _KIND or not isinstance(raw, dict) or not isinstance(version, int):
        raise _no_preset(file, "It was not written as one.")
    if version > _VERSION:
        raise _no_preset(file, "A newer version of this application wrote it.")
    fallback = display_text(file.name.removesuffix(ENDING), 60) or "Preset"
    preset, rejected = decode_leniently(SettingsPreset, raw, SettingsPreset(name=fallback))
    if not preset.parts:
        raise _no_preset(file, "None of its values can be used." if rejected else "It is empty.")
    return ImportedPreset(preset, tuple(map(_sentence, rejected[:_MAX_REPORTED])))


def _no_preset(file: Path, why: str) -> RequestError:
    return RequestError(
        f"{display_text(file.name)} holds no preset.",
        why=why,
        next_step="Choose a file that Export preset wrote.",
    )


def _sentence(one: RejectedValue) -> str:
    where = ", ".join(name.replace("_", " ") for name in one.path)
    return f"“{display_text(where, 80)}” was {display_text(repr(one.value), 60)} and is left out."
