"""The right side of the library dialog: the details of one checkpoint and the actions on it."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.core.checkpoint import CheckpointKind
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.library.catalogue import CatalogueEntry, catalogue
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.library.import_record import VerificationResult
from sdxl_desktop.library.inventory import InstalledCheckpoint
from sdxl_desktop.session.library_list import LibraryItem
from sdxl_desktop.ui.library import library_formatting
from sdxl_desktop.ui.library.common_widgets import InlineNotice, KeyValueTable, emit_on_click, scroll_area, title_label
from sdxl_desktop.ui.library.common_widgets import wrapped_label as plain
from sdxl_desktop.ui.status_line import SlimProgressBar
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.layout_helpers import column, heading_label, row

_PART_TITLES: Mapping[str, str] = {
    Part.TEXT_ENCODER: "First text encoder",
    Part.TEXT_ENCODER_2: "Second text encoder",
    Part.UNET: "UNet",
    Part.VAE_ENCODER: "VAE encoder",
    Part.VAE_DECODER: "VAE decoder",
}
_UNQUANTIZED = (WeightFormat.FP32, WeightFormat.FP16)
"""The formats that are not quantized."""


class CheckpointDetails(QWidget):
    """Shows a `LibraryItem`; each signal carries it."""

    use_requested = Signal(object)
    verify_requested = Signal(object)
    show_in_folder_requested = Signal(object)
    quantize_requested = Signal(object)
    compare_requested = Signal(object)
    remove_requested = Signal(object)
    forget_requested = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._entry: LibraryItem | None = None
        self._unusable = False
        self._title, self._description = title_label(), plain()
        self._notice = InlineNotice()
        self._facts, self._parts = KeyValueTable(), KeyValueTable()
        self._parts_heading = heading_label("Parts")
        self._verify_progress = SlimProgressBar()
        self.use_button = with_role(QPushButton("&Use"), "primary")
        self.verify_button = QPushButton("&Verify")
        self.folder_button = QPushButton("Show in &folder")
        self.quantize_button = QPushButton("Make &smaller…")
        self.compare_button = QPushButton("&Compare…")
        self.remove_button = QPushButton("&Remove…")
        self.forget_button = QPushButton("&Forget")
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self.use_button.setToolTip("Draw with this checkpoint from now on (Enter)")
        self.verify_button.setToolTip("Read every file of it and compare with what it was")
        self.quantize_button.setToolTip("Make a smaller or faster checkpoint of it; this one stays")
        self.remove_button.setToolTip("Delete it from the disk")
        self.forget_button.setToolTip("Do not list it any more")
        self._verify_progress.setFixedWidth(240)
        self._verify_progress.setAccessibleName("Verifying")
        self._verify_progress.hide()
        buttons = row(self.use_button, self.verify_button, self.folder_button, self.remove_button, self.forget_button)
        buttons.addStretch(1)
        others = row(self.quantize_button, self.compare_button)
        others.addStretch(1)
        for button in (
            self.use_button,
            self.verify_button,
            self.folder_button,
            self.quantize_button,
            self.compare_button,
            self.remove_button,
            self.forget_button,
        ):
            button.setAutoDefault(False)
        content = column(self._title, self._description, self._notice, self._verify_progress, self._facts, spacing=12)
        content.setContentsMargins(0, 0, 12, 0)
        content.addWidget(self._parts_heading)
        content.addWidget(self._parts)
        content.addStretch(1)
        whole = column(scroll_area(content), column(others, buttons), spacing=16)
        whole.setStretch(0, 1)
        self.setLayout(whole)

    def _connect(self) -> None:
        for button, signal in (
            (self.use_button, self.use_requested),
            (self.verify_button, self.verify_requested),
            (self.folder_button, self.show_in_folder_requested),
            (self.quantize_button, self.quantize_requested),
            (self.compare_button, self.compare_requested),
            (self.remove_button, self.remove_requested),
            (self.forget_button, self.forget_requested),
        ):
            emit_on_click(signal, button, self.current_entry)

    def current_entry(self) -> LibraryItem | None:
        return self._entry

    def show_entry(self, entry: LibraryItem | None, *, in_use: bool = False, comparable: bool = False) -> None:
        """Show the details of `entry`. `in_use`: it is the selected checkpoint; `comparable`: another text-to-image
        checkpoint exists. A verification result stays visible while the entry is the same."""
        if entry is None or self._entry is None or entry.folder != self._entry.folder:
            self._notice.hide()
            self._verify_progress.hide()
            self.verify_button.setEnabled(True)
        self._entry = entry
        if entry is None:
            return
        self._title.setText(entry.title)
        held = entry.installed
        usable = entry.is_usable
        self._description.setText(
            held.checkpoint.description if held is not None and held.checkpoint is not None else ""
        )
        self._description.setVisible(bool(self._description.text()))
        self._facts.set_rows(_facts(held, entry) if held is not None else _facts_of_missing(entry))
        self._parts.set_rows(part_rows(held))
        self._parts_heading.setVisible(held is not None and bool(held.parts))
        self.use_button.setVisible(held is not None)
        self.use_button.setEnabled(usable and not in_use)
        self.use_button.setText("In use" if in_use else "&Use")
        for button in (self.verify_button, self.folder_button):
            button.setVisible(held is not None)
        self._update_derive_buttons(held if usable else None, comparable)
        self.remove_button.setVisible(held is not None and held.in_user_folder)
        self.forget_button.setVisible(entry.is_missing)
        self._show_status_notice(entry, held)

    def _show_status_notice(self, entry: LibraryItem, holding: InstalledCheckpoint | None) -> None:
        """Show why the checkpoint cannot be used; hide that notice once it can."""
        was_unwell, self._unusable = self._unusable, holding is None or bool(holding.problem)
        if holding is None:
            self._notice.show_message(
                "It is missing",
                f"Its folder is gone: {entry.folder}. If its disk is unplugged, plug it in; it then reappears.",
                tone="bad",
            )
        elif holding.problem:
            self._notice.show_message("It cannot be used", holding.problem, tone="bad")
        elif was_unwell:
            self._notice.hide()

    def _update_derive_buttons(self, holding: InstalledCheckpoint | None, comparable: bool) -> None:
        """Update the buttons for quantizing and comparing."""
        self.quantize_button.setVisible(holding is not None and holding.weight_format in _UNQUANTIZED)
        self.compare_button.setVisible(holding is not None and is_base_checkpoint(holding))
        self.compare_button.setEnabled(comparable)
        self.compare_button.setToolTip(
            "Draw the same pictures with another, and see how they differ and what they cost"
            if comparable
            else "There is no other checkpoint here that draws from words"
        )

    def show_error(self, problem: SdxlDesktopError) -> None:
        """Show why a requested action on the checkpoint failed."""
        self._notice.show_error(problem)

    def show_verifying(self, fraction: float | None) -> None:
        """Show the progress of a verification; `fraction` in [0, 1]."""
        self._notice.hide()
        self.verify_button.setEnabled(False)
        self._verify_progress.show()
        self._verify_progress.set_fraction(fraction)

    def show_verified(self, result: VerificationResult) -> None:
        """Show the result of a verification."""
        self._verify_progress.hide()
        self.verify_button.setEnabled(True)
        if result.problems:
            more = " ".join(result.problems[:5])
            more += f" And {len(result.problems) - 5} more." if len(result.problems) > 5 else ""
            self._notice.show_message("It is not what it was", f"{more} Import it again.", tone="bad")
        else:
            how = "are what they were" if result.by_hash else "are there, and not cut short"
            self._notice.show_message("All is well", f"{result.files} files {how}.", tone="good")

    def text(self) -> str:
        """Return all displayed facts, one per line."""
        return "\n".join((self._title.text(), self._facts.text(), self._parts.text()))

    def notice_text(self) -> str:
        """Return the text of the notices, "" if there is none."""
        return self._notice.accessibleName() if self._notice.isVisibleTo(self) else ""


def is_base_checkpoint(holding: InstalledCheckpoint) -> bool:
    """Return whether it can be compared with other base checkpoints."""
    return holding.checkpoint is not None and holding.checkpoint.kind is CheckpointKind.BASE


def _facts(holding: InstalledCheckpoint, entry: LibraryItem) -> list[tuple[str, str]]:
    checkpoint = holding.checkpoint
    facts = [
        ("Kind", library_formatting.CHECKPOINT_KIND_TITLES[checkpoint.kind] if checkpoint is not None else ""),
        ("Family", holding.family.label if holding.family is not None else ""),
        (
            "Weights",
            f"{holding.weight_format.value}, {holding.weight_format.label}"
            if holding.weight_format is not None
            else "",
        ),
        ("Size on disk", library_formatting.format_size(holding.bytes)),
    ]
    if checkpoint is not None:
        best = checkpoint.recommended
        facts += [
            ("Native size", f"{best.size.width} × {best.size.height} pixels"),
            ("Recommended", f"{best.steps} steps, guidance {best.guidance_scale:g}, {best.scheduler.label}"),
            ("Sampled with", checkpoint.noise_schedule.description),
            ("Edits pictures", "" if checkpoint.has_vae_encoder else "no: it has no VAE encoder"),
        ]
    return [
        *facts,
        ("Licence", licence_text(holding)),
        ("Came from", holding.source),
        ("Last used", library_formatting.format_last_used(entry.last_used).removeprefix("used ")),
        ("Folder", str(holding.folder)),
    ]


def _facts_of_missing(entry: LibraryItem) -> list[tuple[str, str]]:
    return [
        ("Last used", library_formatting.format_last_used(entry.last_used).removeprefix("used ")),
        ("Folder", str(entry.folder)),
    ]


def part_rows(holding: InstalledCheckpoint | None) -> list[tuple[str, str]]:
    parts = holding.parts if holding is not None else ()
    return [(_PART_TITLES.get(part.name, part.name), library_formatting.format_size(part.bytes)) for part in parts]


def licence_text(holding: InstalledCheckpoint) -> str:
    """Return the licence as text: the catalogue's if it knows the repository, else the hub's name; "" if unknown."""
    entry = catalogue_entry(holding)
    if entry is not None and entry.licence is not None and "licence" not in entry.unverified:
        name = entry.licence.name
        return f"{name}. {entry.licence.words}" if name else entry.licence.words
    return holding.licence


def catalogue_entry(holding: InstalledCheckpoint) -> CatalogueEntry | None:
    """Return the catalogue entry of its source: "owner/name", optionally with a file in it and "@commit"."""
    source = holding.source.partition("@")[0]
    known = [entry for entry in catalogue() if entry.repo is not None and f"{source}/".startswith(f"{entry.repo}/")]
    return max(known, key=lambda entry: len(str(entry.address)) if str(entry.address) == source else 0, default=None)
