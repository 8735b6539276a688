"""The settings file: read field by field, and written so that several windows can change different fields."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdxl_desktop.core.errors import SettingsError, describe_error
from sdxl_desktop.core.lenient_decoding import JsonPath, RejectedValue, decode_leniently, to_builtins
from sdxl_desktop.core.paths import unwritable_reason
from sdxl_desktop.core.settings import Preferences, Settings, preference_info
from sdxl_desktop.core.state_file import InvalidNumber, file_lock, move_aside, read_raw_json, write_raw_json
from sdxl_desktop.core.untrusted_text import display_text

_log = logging.getLogger(__name__)

_MAX_REPORTED = 5
_SAVE_FAILED = "Your settings could not be saved."


class SettingsStore:
    """Settings as JSON in one file, which other windows and newer versions may also write.

    `save` writes only the values that differ from those last loaded or saved into the current file: fields that another
    window changed, or that this version does not know, are preserved.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._last_saved: Any = {}
        self._unusable: tuple[RejectedValue, ...] = ()

    def load(self) -> tuple[Settings, SettingsError | None]:
        """Return the settings, and a warning about values that were replaced by defaults, or why the whole file could
        not be read. Never raises."""
        settings, problem = self._load()
        self._last_saved = to_builtins(settings)
        return settings, problem

    def _load(self) -> tuple[Settings, SettingsError | None]:
        self._unusable = ()
        try:
            raw = read_raw_json(self.file)
            if not isinstance(raw, dict):
                raise ValueError("It does not hold settings")
        except FileNotFoundError:
            return Settings(), None
        except (OSError, ValueError) as problem:
            _log.warning("The settings could not be read", exc_info=problem)
            why = describe_error(problem) if isinstance(problem, OSError) else f"{display_text(problem)}."
            return Settings(), SettingsError(
                "Your settings could not be read, so the defaults are in use.",
                why=why,
                next_step=move_aside(self.file),
            )
        settings, self._unusable = decode_leniently(Settings, raw, Settings())
        if self._unusable:
            _log.warning("Settings that cannot be used: %s", [".".join(map(str, one.path)) for one in self._unusable])
        return settings, _unusable_warning(self._unusable) if self._unusable else None

    def why_not_writable(self) -> SettingsError | None:
        """Return the warning to show at the start if settings cannot be saved; checked without writing anything."""
        why = unwritable_reason(self.file)
        return None if why is None else SettingsError("Your settings cannot be kept.", why=why)

    def save(self, settings: Settings) -> None:
        """Write the changes; raises SettingsError if that fails, and the next call retries them."""
        now = to_builtins(settings)
        changed = _changes(self._last_saved, now)
        if not changed:
            return
        replaced = [one for one in self._unusable if one.path[0] in changed]
        for one in replaced:  # its section is being written: save the value that replaces it in the window
            _set_value_at(changed, one.path, now)
        with file_lock(self.file, _SAVE_FAILED):
            write_raw_json(self.file, _merged(self._file_content(now), changed), _SAVE_FAILED)
        self._last_saved = now
        self._unusable = tuple(one for one in self._unusable if one not in replaced)

    def _file_content(self, now: Any) -> Any:
        """Return the file's current content; if unusable, all values of this window."""
        try:
            raw = read_raw_json(self.file)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            move_aside(self.file)
            return now
        return raw if isinstance(raw, dict) else now


def _changes(before: Any, after: Mapping[str, Any]) -> dict[str, Any]:
    """Return the parts of `after`, down to single values, that differ from `before`."""
    changed: dict[str, Any] = {}
    for name, value in after.items():
        held = before.get(name) if isinstance(before, dict) else None
        if isinstance(value, dict):
            inner = _changes(held, value)
            if inner:
                changed[name] = inner
        elif not isinstance(before, dict) or name not in before or held != value:
            changed[name] = value
    return changed


def _merged(raw: Any, changed: Mapping[str, Any]) -> dict[str, Any]:
    """Return `raw` with the changed values merged in."""
    merged = dict(raw) if isinstance(raw, dict) else {}
    for name, value in changed.items():
        merged[name] = _merged(merged.get(name), value) if isinstance(value, dict) else value
    return merged


def _set_value_at(changed: dict[str, Any], where: JsonPath, now: Any) -> None:
    """Add the value at `where` in `now`, or its innermost named parent, to the values to be written."""
    for name in where:
        if not isinstance(now, dict) or name not in now:
            return
        now = now[name]
        if not isinstance(now, dict):
            changed[name] = now
            return
        changed = changed.setdefault(name, {})
    changed.update(now)


def _unusable_warning(unusable: tuple[RejectedValue, ...]) -> SettingsError:
    words = [_sentence(one) for one in unusable[:_MAX_REPORTED]]
    if len(unusable) > _MAX_REPORTED:
        words.append(f"The same goes for {len(unusable) - _MAX_REPORTED} more.")
    return SettingsError("Some of your settings could not be used; the others are.", why=" ".join(words))


def _sentence(one: RejectedValue) -> str:
    found = display_text(one.value if isinstance(one.value, InvalidNumber) else repr(one.value), 60)
    if one.replacement is None:
        return f"{_label(one.path)} was {found} and is left out."
    used = to_builtins(one.replacement)
    taken = "the default" if isinstance(used, dict) else display_text(repr(used))
    return f"{_label(one.path)} was {found}; {taken} is used."


def _label(where: JsonPath) -> str:
    """Return the displayed name of a field: the label of a preference, else the field names."""
    if len(where) == 2 and where[0] == "preferences" and where[1] in Preferences.__dataclass_fields__:
        return f"“{preference_info(where[1]).label}”"
    return f"“{', '.join(name.replace('_', ' ') for name in where)}”"
