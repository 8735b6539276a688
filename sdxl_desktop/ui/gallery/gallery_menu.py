"""The context menu of the gallery."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from PySide6.QtWidgets import QMenu, QWidget

from sdxl_desktop.history.entries import HistoryEntry
from sdxl_desktop.ui.gallery.entry_text import format_rating
from sdxl_desktop.ui.gallery.gallery_actions import GalleryActions

MAX_COMPARED = 4


class GalleryCommands:
    """What the page itself does for the menu."""

    def __init__(
        self,
        compare: Callable[[], object],
        slide_show: Callable[[], object],
        edit_tags: Callable[[], object],
        delete: Callable[[], object],
    ) -> None:
        self.compare, self.slide_show, self.edit_tags, self.delete = compare, slide_show, edit_tags, delete


def gallery_menu(
    entries: Sequence[HistoryEntry], actions: GalleryActions, commands: GalleryCommands, parent: QWidget
) -> QMenu:
    """Return the menu for the selected `entries`, at least one. Actions for one picture are for the first of them."""
    menu = QMenu(parent)
    if len(entries) == 1:
        _add_single(menu, entries[0], actions)
        menu.addSeparator()
    if 2 <= len(entries) <= MAX_COMPARED:
        menu.addAction("Co&mpare\tCtrl+K", commands.compare)
    menu.addAction("S&lide show\tF5", commands.slide_show)
    menu.addSeparator()
    starred = all(entry.starred for entry in entries)
    menu.addAction("Remove the &star\t*" if starred else "&Star\t*", lambda: actions.star(entries))
    rating = menu.addMenu("&Rating")
    ids = [entry.id for entry in entries]
    for number in range(6):
        text = format_rating(number) if number else "None"
        rating.addAction(f"{text}\t{number}", partial(actions.rate, ids, number))
    menu.addAction("&Tags…\tCtrl+T", commands.edit_tags)
    menu.addSeparator()
    menu.addAction("&Copy\tCtrl+C", lambda: actions.copy(entries))
    if len(entries) == 1:
        menu.addAction("Show in &folder", lambda: actions.show_in_folder(entries[0]))
    menu.addAction("&Delete\tDel", commands.delete)
    return menu


def _add_single(menu: QMenu, entry: HistoryEntry, actions: GalleryActions) -> None:
    menu.addAction("Show on the c&anvas\tEnter", lambda: actions.open_on_canvas(entry))
    menu.addAction("&Edit this picture", lambda: actions.edit_on_canvas(entry))
    menu.addSeparator()
    menu.addAction("&Use its settings\tCtrl+U", lambda: actions.use_settings(entry))
    menu.addAction("Ch&oose from its settings…", lambda: actions.choose_settings(entry))
    menu.addAction("Use &its seed", lambda: actions.use_seed(entry))
    menu.addAction("Draw a&gain", lambda: actions.draw_again(entry))
    menu.addAction("Make &variations", lambda: actions.make_variations(entry))
