"""The settings file: taken field by field, and written so that several windows can change different fields of it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sdxl_desktop.core.errors import SettingsError, named
from sdxl_desktop.core.foreign_text import shown
from sdxl_desktop.core.paths import unwritable
from sdxl_desktop.core.salvage import Unusable, Where, builtins, salvaged
from sdxl_desktop.core.settings import Preferences, Settings, preference_info
from sdxl_desktop.core.state_file import NoNumber, locked, read_raw, set_aside, write_raw

_log = logging.getLogger(__name__)

_MOST_TOLD = 5
_FAILED = "Your settings could not be saved."


class SettingsStore:
    """Settings as JSON in one file, which other windows and newer versions may write to as well.

    `save` writes what differs from what was loaded or saved last, over what the file holds by then: fields that
    another window changed, or that this version does not know, stay.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self._known: Any = {}
        self._unusable: tuple[Unusable, ...] = ()

    def load(self) -> tuple[Settings, SettingsError | None]:
        """The settings, and what is to be told about them: values that could not be used, with what is used instead,
        or why the whole file could not. Never raises."""
        settings, problem = self._load()
        self._known = builtins(settings)
        return settings, problem

    def _load(self) -> tuple[Settings, SettingsError | None]:
        self._unusable = ()
        try:
            raw = read_raw(self.file)
            if not isinstance(raw, dict):
                raise ValueError("It does not hold settings")
        except FileNotFoundError:
            return Settings(), None
        except (OSError, ValueError) as problem:
            _log.warning("The settings could not be read", exc_info=problem)
            why = named(problem) if isinstance(problem, OSError) else f"{shown(problem)}."
            return Settings(), SettingsError(
                "Your settings could not be read, so the defaults are in use.",
                why=why,
                next_step=set_aside(self.file),
            )
        settings, self._unusable = salvaged(Settings, raw, Settings())
        if self._unusable:
            _log.warning("Settings that cannot be used: %s", [".".join(map(str, one.where)) for one in self._unusable])
        return settings, _told(self._unusable) if self._unusable else None

    def why_not_kept(self) -> SettingsError | None:
        """What is to be told at the start when settings cannot be written; nothing is written to find out."""
        why = unwritable(self.file)
        return None if why is None else SettingsError("Your settings cannot be kept.", why=why)

    def save(self, settings: Settings) -> None:
        """Write what has changed; raises SettingsError when it cannot be written, and tries again with the next."""
        now = builtins(settings)
        changed = _changes(self._known, now)
        if not changed:
            return
        replaced = [one for one in self._unusable if one.where[0] in changed]
        for one in replaced:  # its section is being written: what is used in its place is what the person sees
            _put(changed, one.where, now)
        with locked(self.file, _FAILED):
            write_raw(self.file, _merged(self._held(now), changed), _FAILED)
        self._known = now
        self._unusable = tuple(one for one in self._unusable if one not in replaced)

    def _held(self, now: Any) -> Any:
        """What the file holds at the moment; everything of this window where that is nothing to add to."""
        try:
            raw = read_raw(self.file)
        except FileNotFoundError:
            return {}
        except (OSError, ValueError):
            set_aside(self.file)
            return now
        return raw if isinstance(raw, dict) else now


def _changes(before: Any, after: Mapping[str, Any]) -> dict[str, Any]:
    """What of `after`, down to single values, `before` does not have."""
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
    """`raw` with the changed values in their places."""
    merged = dict(raw) if isinstance(raw, dict) else {}
    for name, value in changed.items():
        merged[name] = _merged(merged.get(name), value) if isinstance(value, dict) else value
    return merged


def _put(changed: dict[str, Any], where: Where, now: Any) -> None:
    """Add the value at `where` in `now`, or the innermost that has a name there, to what is written."""
    for name in where:
        if not isinstance(now, dict) or name not in now:
            return
        now = now[name]
        if not isinstance(now, dict):
            changed[name] = now
            return
        changed = changed.setdefault(name, {})
    changed.update(now)


def _told(unusable: tuple[Unusable, ...]) -> SettingsError:
    words = [_sentence(one) for one in unusable[:_MOST_TOLD]]
    if len(unusable) > _MOST_TOLD:
        words.append(f"The same goes for {len(unusable) - _MOST_TOLD} more.")
    return SettingsError("Some of your settings could not be used; the others are.", why=" ".join(words))


def _sentence(one: Unusable) -> str:
    found = shown(one.found if isinstance(one.found, NoNumber) else repr(one.found), 60)
    if one.used is None:
        return f"{_label(one.where)} was {found} and is left out."
    used = builtins(one.used)
    return f"{_label(one.where)} was {found}; {'the default' if isinstance(used, dict) else shown(repr(used))} is used."


def _label(where: Where) -> str:
    """What a person knows the field as: a preference by its label, others by their names."""
    if len(where) == 2 and where[0] == "preferences" and where[1] in Preferences.__dataclass_fields__:
        return f"“{preference_info(where[1]).label}”"
    return f"“{', '.join(name.replace('_', ' ') for name in where)}”"
