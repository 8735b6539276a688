"""Saves, applies, manages and shares presets of settings."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QFileDialog, QMenu, QWidget

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.file_names import slugify
from sdxl_desktop.core.paths import AppPaths, resources_folder
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.engine.compile_key import shared_file_hashes
from sdxl_desktop.session.prompt_craft.preset_files import (
    ENDING,
    ImportedPreset,
    PresetStore,
    read_preset_file,
    write_preset_file,
)
from sdxl_desktop.session.prompt_craft.presets import PresetAdapter, PresetPart, SettingsPreset, find_adapter
from sdxl_desktop.ui.main_controller import MainController
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.prompt_craft.preset_dialogs import PresetsDialog, SavePresetDialog
from sdxl_desktop.ui.save_dialog import FileFormat, ask_save_target
from sdxl_desktop.ui.widgets.plain_text import escape_mnemonic

_FORMAT = FileFormat("Preset of SDXL Desktop", (ENDING, ".json"))
_MAX_IN_MENU = 20


class PresetController(QObject):
    """`adapter_files` returns the LoRAs and embeddings in which those of a preset are looked for."""

    def __init__(
        self,
        window: QWidget,
        paths: AppPaths,
        background: BackgroundRunner,
        panel: ParametersPanel,
        controller: MainController,
        last_folder: Callable[[], str],
    ) -> None:
        super().__init__(window)
        self._window, self._background, self._panel, self._main = window, background, panel, controller
        self._last_folder = last_folder
        self._store = PresetStore(paths.presets)
        self._hashes = shared_file_hashes(paths.cache)
        self.adapter_files: Callable[[], tuple[Path, ...]] = self._listed_and_shipped
        self._dialog: PresetsDialog | None = None

    def fill_menu(self, menu: QMenu) -> None:
        """Fill a menu with the presets, and what can be done with them."""
        menu.clear()
        presets = self._store.load()
        for preset in presets[:_MAX_IN_MENU]:
            action = menu.addAction(escape_mnemonic(display_text(preset.name, 60)))
            action.triggered.connect(partial(self._apply_from_menu, preset))
        if not presets:
            menu.addAction("No preset yet").setEnabled(False)
        menu.addSeparator()
        menu.addAction("&Save preset…").triggered.connect(lambda: self.save())
        menu.addAction("&Manage presets…").triggered.connect(lambda: self.open())
        menu.addAction("&Import preset…").triggered.connect(lambda: self.import_preset())
        menu.addSeparator()
        recommended = menu.addAction("&Back to what the checkpoint recommends")
        recommended.setEnabled(self._panel.checkpoint() is not None)
        recommended.triggered.connect(lambda: self.apply_recommended())

    def _apply_from_menu(self, preset: SettingsPreset, _checked: bool = False) -> None:
        self.apply(preset)

    def apply_recommended(self) -> None:
        """Set what the checkpoint recommends; the toast undoes it."""
        self._with_undo(self._panel.apply_recommended, "The checkpoint's recommended settings are set")

    def apply(self, preset: SettingsPreset) -> None:
        """Apply a preset, and say what it names that is not here; the toast undoes it."""
        problem = self._with_undo(
            lambda: self._panel.apply_preset(preset, self._find), f"{display_text(preset.name, 60)} is applied"
        )
        if problem is not None:
            self._main.show_error(problem)

    def _with_undo(self, change: Callable[[], SdxlDesktopError | None], words: str) -> SdxlDesktopError | None:
        before = self._panel.value()

        def undo() -> None:
            if before.checkpoint != self._panel.value().checkpoint:
                self._panel.select_checkpoint(before.checkpoint)
            self._panel.set_value(replace(before, open_sections=self._panel.value().open_sections))
            self._panel.changed.emit()

        problem = change()
        self._main.notify(words, action="Undo", callback=undo)
        return problem

    def open(self) -> PresetsDialog:
        """Show all presets."""
        if self._dialog is None:
            dialog = self._dialog = PresetsDialog(self._window)
            dialog.apply_requested.connect(self.apply)
            dialog.renamed.connect(self._rename)
            dialog.delete_requested.connect(self._delete)
            dialog.export_requested.connect(self.export)
            dialog.save_requested.connect(self.save)
            dialog.import_requested.connect(self.import_preset)
        self._refresh()
        self._dialog.show()
        self._dialog.raise_()
        self._dialog.activateWindow()
        return self._dialog

    def save(self) -> None:
        """Ask for a name and parts, and save the panels' settings."""
        dialog = SavePresetDialog(self._dialog or self._window, frozenset(one.name for one in self._store.load()))
        if dialog.exec():
            self.save_as(dialog.name, dialog.parts)
        dialog.deleteLater()

    def save_as(self, name: str, parts: tuple[PresetPart, ...]) -> None:
        """Save these parts of the panels' settings under `name`. LoRAs and embeddings are hashed in the background."""
        additions = self._panel.value().additions
        files = [lora.use.file for lora in additions.loras if lora.on] + [one.file for one in additions.embeddings]

        def take(hashes: dict[Path, str]) -> None:
            preset = self._panel.create_preset(name, parts, lambda file: hashes.get(file, ""))
            self._change(lambda: self._store.save(preset))
            self._main.notify(f"{display_text(name, 60)} is among the presets")

        wanted = files if PresetPart.ADAPTERS in parts else []
        self._background.read(lambda: {file: self._hash(file) for file in wanted}, take, owner=self)

    def import_preset(self) -> None:
        """Ask for a preset file, and add it to the presets."""
        file, _ = QFileDialog.getOpenFileName(
            self._dialog or self._window, "Import preset", self._last_folder(), "Presets (*.json);;All files (*)"
        )
        if file:
            self.import_file(Path(file))

    def import_file(self, file: Path) -> None:
        """Add the preset in `file` to the presets, under a free name, and offer to apply it."""

        def take(found: ImportedPreset) -> None:
            taken = {preset.name for preset in self._store.load()}
            name, number = found.preset.name, 2
            while name in taken:
                name, number = f"{found.preset.name[:90]} ({number})", number + 1
            preset = replace(found.preset, name=name)
            self._change(lambda: self._store.save(preset))
            words = f"{display_text(name, 60)} is among the presets. {' '.join(found.problems)}".strip()
            self._main.notify(words, action="Apply", callback=lambda: self.apply(preset), persistent=True)

        self._background.read(lambda: read_preset_file(file), take, self._main.show_error, owner=self)

    def export(self, preset: SettingsPreset) -> None:
        """Ask for a file, and write the preset to it."""
        start = Path(self._last_folder()) / f"{slugify(preset.name, 'preset')}{ENDING}"
        target = ask_save_target(self._dialog or self._window, "Export preset", start, (_FORMAT,))
        if target is not None:
            self._background.write(
                lambda: write_preset_file(preset, target.path),
                lambda _: self._main.notify(f"Written to {display_text(target.path.name, 80)}"),
                self._main.show_error,
                owner=self,
            )

    def _rename(self, preset: SettingsPreset, name: str) -> None:
        self._change(lambda: self._store.rename(preset.name, name))

    def _delete(self, preset: SettingsPreset) -> None:
        self._change(lambda: self._store.delete(preset.name))
        self._main.notify(
            f"The preset {display_text(preset.name, 60)} is deleted",
            action="Undo",
            callback=lambda: self._change(lambda: self._store.save(preset)),
        )

    def _change(self, change: Callable[[], None]) -> None:
        try:
            change()
        except SdxlDesktopError as problem:
            self._main.show_error(problem)
        self._refresh()

    def _refresh(self) -> None:
        if self._dialog is not None:
            self._dialog.set_presets(self._store.load())

    # LoRAs and embeddings

    def _find(self, adapter: PresetAdapter) -> Path | None:
        return find_adapter(adapter, self.adapter_files(), self._cached_hash)

    def _listed_and_shipped(self) -> tuple[Path, ...]:
        additions = self._panel.value().additions
        listed = [lora.use.file for lora in additions.loras] + [one.file for one in additions.embeddings]
        return (*listed, *sorted((resources_folder() / "additions").glob("*.safetensors")))

    def _hash(self, file: Path) -> str:
        try:
            return self._hashes.get(file)
        except OSError:
            return ""

    def _cached_hash(self, file: Path) -> str:
        """Return the hash of a file if it is known or quick to compute, else ""."""
        try:
            return self._hashes.get_cached(file) or ""
        except OSError:
            return ""
