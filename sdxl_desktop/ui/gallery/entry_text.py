"""Texts about entries of the history."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

from PySide6.QtCore import QDate, QDateTime, QLocale

from sdxl_desktop.core.paths import with_tilde
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.history.entries import EntryState, HistoryEntry

_ENGLISH = QLocale(QLocale.Language.English, QLocale.Country.UnitedKingdom)


_MAX_PROMPT = 600
"""Characters of a prompt in a tooltip."""


def file_name(file: Path) -> str:
    """Return the file's name as text that can be shown, whatever its bytes are."""
    return display_text(file.name)


def format_day(day: date, today: date) -> str:
    """Return a heading for a day: "Today", "Yesterday", "Monday, 2 March", with the year if it is not this one."""
    if day == today:
        return "Today"
    if day == today - timedelta(days=1):
        return "Yesterday"
    pattern = "dddd, d MMMM" if day.year == today.year else "dddd, d MMMM yyyy"
    return _ENGLISH.toString(QDate(day.year, day.month, day.day), pattern)


def format_created(entry: HistoryEntry) -> str:
    """Return when the picture was made, in the form of the system's locale."""
    moment = QDateTime.fromSecsSinceEpoch(int(entry.created.timestamp()))
    return QLocale().toString(moment, QLocale.FormatType.ShortFormat)


def format_count(count: int) -> str:
    return "1 picture" if count == 1 else f"{QLocale().toString(count)} pictures"


def format_rating(rating: int) -> str:
    """Return five stars, as many of them filled as `rating` says."""
    return "★" * rating + "☆" * (5 - rating)


def describe_entry(entry: HistoryEntry) -> str:
    """Describe an entry, one fact per line, for tooltips and screen readers."""
    lines = [
        display_text(entry.prompt, _MAX_PROMPT) or "No prompt",
        f"{entry.kind.label}, {entry.size}, seed {entry.seed}",
        entry.checkpoint_title,
        format_created(entry),
        f"Rated {entry.rating} of 5" if entry.rating else "",
        "Starred" if entry.starred else "",
        ", ".join(entry.tags),
        f"Missing: there is no {_path_text(entry.file)}" if entry.state is EntryState.MISSING else "",
    ]
    return "\n".join(line for line in lines if line)


def missing_text(file: Path) -> str:
    """Explain that the file of an entry is missing, and what can be done."""
    return (
        f"The file {_path_text(file)} is not there any more: it was moved, renamed or deleted outside this program, "
        "or its disk is not connected. Put it back and it is shown again. Its settings are still known here."
    )


def _path_text(file: Path) -> str:
    return display_text(with_tilde(file), 400)
