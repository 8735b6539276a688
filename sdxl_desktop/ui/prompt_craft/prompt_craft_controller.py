"""Connects styles, presets, wildcards and the prompt history to the panels."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QMenu, QMessageBox, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.paths import AppPaths
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.session.prompt_craft.prompt_builder import MAX_COMBINATIONS, PromptBuilder, too_many_combinations
from sdxl_desktop.session.prompt_craft.style_files import ImportedStyles, StyleStore, read_style_file
from sdxl_desktop.session.prompt_craft.wildcard_files import WildcardSet, load_wildcards, wildcard_folders
from sdxl_desktop.ui.main_controller import MainController
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.prompt_craft.preset_controller import PresetController
from sdxl_desktop.ui.prompt_craft.prompt_history_controller import PromptHistoryController
from sdxl_desktop.ui.prompt_craft.styles_dialog import SaveStyleDialog, StylesDialog
from sdxl_desktop.ui.prompt_craft.variant_examples import LibraryVariantExamples
from sdxl_desktop.ui.widgets.plain_text import message_box
from sdxl_desktop.ui.widgets.window_activation import WindowActivation


@dataclass(frozen=True, slots=True)
class PromptCraftContext:
    """What the controllers of prompt craft need. `window` is the parent of dialogs, `last_folder` where file dialogs
    begin."""

    window: QWidget
    paths: AppPaths
    preferences: Callable[[], Preferences]
    background: BackgroundRunner
    panel: ParametersPanel
    controller: MainController
    last_folder: Callable[[], str]


class PromptCraftController(QObject):
    """Owns the styles and wildcards that are available, and the controllers of presets and history."""

    def __init__(self, context: PromptCraftContext) -> None:
        super().__init__(context.window)
        self._context = context
        self._panel, self._main = context.panel, context.controller
        self._store = StyleStore.of(context.paths)
        self._styles = self._store.load()
        self._wildcards: WildcardSet | None = None
        self._builder = PromptBuilder(
            styles=lambda: self._styles,
            wildcards=self.wildcards,
            expands_variants=lambda: context.preferences().expand_variants,
        )
        self._examples = LibraryVariantExamples(self.wildcards)
        self._dialog: StylesDialog | None = None
        self.presets = PresetController(
            context.window, context.paths, context.background, self._panel, self._main, context.last_folder
        )
        self.history = PromptHistoryController(
            context.window, context.paths, context.preferences, context.background, self._panel, self._main
        )
        bar = self._panel.prompt_bar
        bar.describe_style = self._describe_style
        bar.styles_requested.connect(self.open_styles)
        bar.history_requested.connect(self.history.open)
        bar.fill_presets_menu = self.presets.fill_menu
        self._panel.changed.connect(self._show_chosen)
        WindowActivation(context.window).activated.connect(self._handle_activated)
        self._set_builder()

    # wildcards

    def wildcards(self) -> WildcardSet:
        """Return the wildcards; before they were read in the background, they are read at once."""
        if self._wildcards is None:
            self._wildcards = self._load_wildcards()
        return self._wildcards

    def start(self) -> None:
        """Read the wildcards in the background."""
        self._context.background.read(self._load_wildcards, self._set_wildcards, owner=self)

    def apply_preferences(self) -> None:
        """Handle changed preferences: the wildcards folder, and whether variants are expanded."""
        self._set_builder()
        self.start()

    def _load_wildcards(self) -> WildcardSet:
        return load_wildcards(wildcard_folders(self._context.paths, self._context.preferences()))

    def _set_wildcards(self, found: WildcardSet) -> None:
        before, self._wildcards = self._wildcards, found
        if before != found:
            self._set_builder()
        if found.problems and (before is None or before.problems != found.problems):
            self._main.notify(found.problems[0])

    def _handle_activated(self) -> None:
        """Read the wildcards again when the person comes back to the window, perhaps from editing them."""
        if self._wildcards is not None:
            self.start()

    def _set_builder(self) -> None:
        is_on = self._context.preferences().expand_variants
        self._panel.set_prompt_builder(self._builder, self._examples if is_on else None)

    def draw_combinations(self) -> None:
        """Say how many combinations the prompt has, and queue a run for each if the person agrees."""
        try:
            count = self._panel.count_combinations()
            if count > MAX_COMBINATIONS:
                raise too_many_combinations()
        except SdxlDesktopError as problem:
            self._main.show_error(problem)
            return
        if count == 1:
            self._main.notify("The prompt has no variants: write {red|blue}, or __name__ for a wildcard file.")
            return
        if self._confirm_combinations(count):
            self._main.queue_combinations()

    def _confirm_combinations(self, count: int) -> bool:
        sampling = self._panel.value().sampling
        each = 1 if sampling is None else sampling.count
        more = f"With {each} pictures for each, that makes {count * each:,} pictures. " if each > 1 else ""
        buttons = QMessageBox.StandardButton
        box = message_box(
            self._context.window,
            "Every combination",
            f"Draw all {count:,} combinations of the prompt?",
            f"{more}They are added to the queue, all with the same seed.",
            buttons.Yes | buttons.Cancel,
        )
        box.button(buttons.Yes).setText("Add to the queue")
        box.setDefaultButton(buttons.Yes)
        box.exec()
        agreed = box.standardButton(box.clickedButton()) == buttons.Yes
        box.deleteLater()
        return agreed

    # styles

    def open_styles(self) -> StylesDialog:
        """Show the styles."""
        if self._dialog is None:
            self._dialog = StylesDialog(self._context.window, self._store.preview)
            self._dialog.chosen_changed.connect(self._panel.set_styles)
            self._dialog.save_requested.connect(self.save_style)
            self._dialog.import_requested.connect(self.import_styles)
            self._dialog.delete_requested.connect(self._delete_style)
        self._refresh_styles()
        self._dialog.show()
        self._dialog.raise_()
        self._dialog.activateWindow()
        return self._dialog

    def save_style(self) -> None:
        """Ask for a name, and save the prompt as a style."""
        prompts = self._panel.value().prompts
        names = frozenset(style.name for style in self._styles.styles)
        dialog = SaveStyleDialog(self._dialog or self._context.window, prompts.prompt, prompts.negative_prompt, names)
        if dialog.exec() and dialog.style_to_save is not None:
            style = dialog.style_to_save
            self._change_styles(
                lambda: self._store.save([style]), f"{display_text(style.name, 60)} is among the styles"
            )
        dialog.deleteLater()

    def import_styles(self) -> None:
        """Ask for a file of styles, and add those in it."""
        file, _ = QFileDialog.getOpenFileName(
            self._dialog or self._context.window,
            "Import styles",
            self._context.last_folder(),
            "Styles of AUTOMATIC1111 or Fooocus (*.csv *.json);;All files (*)",
        )
        if file:
            self.import_style_file(Path(file))

    def import_style_file(self, file: Path) -> None:
        """Add the styles in `file` to the person's own."""

        def take(found: ImportedStyles) -> None:
            count = len(found.styles)
            words = f"{count} style{'s' if count != 1 else ''} imported from {display_text(file.name, 60)}"
            self._change_styles(lambda: self._store.save(found.styles), words)

        self._context.background.read(lambda: read_style_file(file), take, self._main.show_error, owner=self)

    def _delete_style(self, name: str) -> None:
        style = next((one for one in self._store.own() if one.name == name), None)
        if style is None:
            return
        chosen = self._panel.value().styles

        def undo() -> None:
            self._change_styles(lambda: self._store.save([style]), "")
            self._panel.set_styles(chosen)

        self._change_styles(lambda: self._store.delete(name), "")
        self._panel.set_styles(tuple(one for one in chosen if one in self._styles.by_name))
        self._main.notify(f"The style {display_text(name, 60)} is deleted", action="Undo", callback=undo)

    def _change_styles(self, change: Callable[[], None], words: str) -> None:
        """Change the person's own styles; say `words` once it is done."""
        try:
            change()
        except SdxlDesktopError as problem:
            self._main.show_error(problem)
            return
        self._refresh_styles()
        self._set_builder()
        if words:
            self._main.notify(words)

    def _refresh_styles(self) -> None:
        self._styles = self._store.load()
        if self._dialog is not None:
            own = frozenset(style.name for style in self._store.own())
            self._dialog.set_styles(self._styles, own, self._panel.value().styles)

    def _show_chosen(self) -> None:
        if self._dialog is not None:
            self._dialog.set_chosen(self._panel.prompt_bar.value())

    def _describe_style(self, name: str) -> str:
        style = self._styles.by_name.get(name)
        if style is None:
            return f"There is no style called {display_text(name, 60)!r} any more."
        negative = f"\nNegative: {display_text(style.negative_prompt, 300)}" if style.negative_prompt else ""
        return display_text(style.prompt, 500) + negative

    def fill_presets_menu(self, menu: QMenu) -> None:
        """Fill a submenu with the presets each time it opens."""
        menu.aboutToShow.connect(lambda: self.presets.fill_menu(menu))
