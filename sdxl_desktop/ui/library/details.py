"""The right side of the page: all that is known of one checkpoint, and what can be done with it."""

from __future__ import annotations

from collections.abc import Mapping

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.core.checkpoint import CheckpointKind
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.parts import Part
from sdxl_desktop.library.catalogue import Entry, catalogue
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.library.holdings import Holding
from sdxl_desktop.library.records import Verified
from sdxl_desktop.session.shelf import Shelved
from sdxl_desktop.ui.library import words
from sdxl_desktop.ui.library.pieces import Facts, Notice, carries, scrolled, title
from sdxl_desktop.ui.library.pieces import words as plain
from sdxl_desktop.ui.status import ProgressLine
from sdxl_desktop.ui.widgets.buttons import dressed
from sdxl_desktop.ui.widgets.layout import column, heading, row

_PARTS: Mapping[str, str] = {
    Part.TEXT_ENCODER: "First text encoder",
    Part.TEXT_ENCODER_2: "Second text encoder",
    Part.UNET: "UNet",
    Part.VAE_ENCODER: "VAE encoder",
    Part.VAE_DECODER: "VAE decoder",
}
_WHOLE = (WeightFormat.FP32, WeightFormat.FP16)
"""Formats from which nothing was rounded away yet."""


class Details(QWidget):
    """Shows a `Shelved`; each signal carries it."""

    use_wanted = Signal(object)
    verify_wanted = Signal(object)
    folder_wanted = Signal(object)
    smaller_wanted = Signal(object)
    compare_wanted = Signal(object)
    remove_wanted = Signal(object)
    forget_wanted = Signal(object)

    def __init__(self) -> None:
        super().__init__()
        self._line: Shelved | None = None
        self._unwell = False
        self._title, self._about = title(), plain()
        self._notice = Notice()
        self._facts, self._parts = Facts(), Facts()
        self._parts_heading = heading("Parts")
        self._checking = ProgressLine()
        self.use = dressed(QPushButton("&Use"), "primary")
        self.verify = QPushButton("&Verify")
        self.folder = QPushButton("Show in &folder")
        self.smaller = QPushButton("Make &smaller…")
        self.compare = QPushButton("&Compare…")
        self.remove = QPushButton("&Remove…")
        self.forget = QPushButton("&Forget")
        self._lay_out()
        self._connect()

    def _lay_out(self) -> None:
        self.use.setToolTip("Draw with this checkpoint from now on (Enter)")
        self.verify.setToolTip("Read every file of it and compare with what it was")
        self.smaller.setToolTip("Make a smaller or faster checkpoint of it; this one stays")
        self.remove.setToolTip("Delete it from the disk")
        self.forget.setToolTip("Do not list it any more")
        self._checking.setFixedWidth(240)
        self._checking.setAccessibleName("Verifying")
        self._checking.hide()
        buttons = row(self.use, self.verify, self.folder, self.remove, self.forget)
        buttons.addStretch(1)
        others = row(self.smaller, self.compare)
        others.addStretch(1)
        for button in (self.use, self.verify, self.folder, self.smaller, self.compare, self.remove, self.forget):
            button.setAutoDefault(False)
        content = column(self._title, self._about, self._notice, self._checking, self._facts, spacing=12)
        content.setContentsMargins(0, 0, 12, 0)
        content.addWidget(self._parts_heading)
        content.addWidget(self._parts)
        content.addStretch(1)
        whole = column(scrolled(content), column(others, buttons), spacing=16)
        whole.setStretch(0, 1)
        self.setLayout(whole)

    def _connect(self) -> None:
        for button, signal in (
            (self.use, self.use_wanted),
            (self.verify, self.verify_wanted),
            (self.folder, self.folder_wanted),
            (self.smaller, self.smaller_wanted),
            (self.compare, self.compare_wanted),
            (self.remove, self.remove_wanted),
            (self.forget, self.forget_wanted),
        ):
            carries(signal, button, self.shown)

    def shown(self) -> Shelved | None:
        return self._line

    def show_line(self, line: Shelved | None, *, in_use: bool = False, comparable: bool = False) -> None:
        """Show what is known of it; `in_use`: it draws now; `comparable`: there is another that draws from words. What
        was verified stays told while it is the same."""
        if line is None or self._line is None or line.folder != self._line.folder:
            self._notice.hide()
            self._checking.hide()
            self.verify.setEnabled(True)
        self._line = line
        if line is None:
            return
        self._title.setText(line.title)
        held = line.holding
        usable = line.usable
        self._about.setText(held.checkpoint.description if held is not None and held.checkpoint is not None else "")
        self._about.setVisible(bool(self._about.text()))
        self._facts.show_lines(_facts(held, line) if held is not None else _last_known(line))
        self._parts.show_lines(_parts(held))
        self._parts_heading.setVisible(held is not None and bool(held.parts))
        self.use.setVisible(held is not None)
        self.use.setEnabled(usable and not in_use)
        self.use.setText("In use" if in_use else "&Use")
        for button in (self.verify, self.folder):
            button.setVisible(held is not None)
        self._show_making(held if usable else None, comparable)
        self.remove.setVisible(held is not None and held.own)
        self.forget.setVisible(line.missing)
        self._show_health(line, held)

    def _show_health(self, line: Shelved, held: Holding | None) -> None:
        """Tell what keeps it from being used, until nothing does any more."""
        was_unwell, self._unwell = self._unwell, held is None or bool(held.problem)
        if held is None:
            self._notice.tell(
                "It is missing",
                f"Its folder is gone: {line.folder}. If its disk is away, plug it in; it comes back by itself.",
                tone="bad",
            )
        elif held.problem:
            self._notice.tell("It cannot be used", held.problem, tone="bad")
        elif was_unwell:
            self._notice.hide()

    def _show_making(self, held: Holding | None, comparable: bool) -> None:
        """What can be made of it, and what it can be compared with."""
        self.smaller.setVisible(held is not None and held.weights in _WHOLE)
        self.compare.setVisible(held is not None and draws_from_words(held))
        self.compare.setEnabled(comparable)
        self.compare.setToolTip(
            "Draw the same pictures with another, and see how they differ and what they cost"
            if comparable
            else "There is no other checkpoint here that draws from words"
        )

    def show_problem(self, problem: SdxlDesktopError) -> None:
        """Something that was asked of it cannot be done."""
        self._notice.tell_problem(problem)

    def show_verifying(self, fraction: float | None) -> None:
        """It is being verified; `fraction` in [0, 1]."""
        self._notice.hide()
        self.verify.setEnabled(False)
        self._checking.show()
        self._checking.show_fraction(fraction)

    def show_verified(self, found: Verified) -> None:
        """What verifying found."""
        self._checking.hide()
        self.verify.setEnabled(True)
        if found.problems:
            more = " ".join(found.problems[:5])
            more += f" And {len(found.problems) - 5} more." if len(found.problems) > 5 else ""
            self._notice.tell("It is not what it was", f"{more} Bring it in again.", tone="bad")
        else:
            how = "are what they were" if found.by_hash else "are there, and not cut short"
            self._notice.tell("All is well", f"{found.files} files {how}.", tone="good")

    def text(self) -> str:
        """All the facts that are shown, a line for each."""
        return "\n".join((self._title.text(), self._facts.text(), self._parts.text()))

    def notice_text(self) -> str:
        """What is told of it beside its facts, "" for nothing."""
        return self._notice.accessibleName() if self._notice.isVisibleTo(self) else ""


def draws_from_words(held: Holding) -> bool:
    """Whether it can be compared with others that do."""
    return held.checkpoint is not None and held.checkpoint.kind is CheckpointKind.BASE


def _facts(held: Holding, line: Shelved) -> list[tuple[str, str]]:
    checkpoint = held.checkpoint
    facts = [
        ("Kind", words.KINDS[checkpoint.kind] if checkpoint is not None else ""),
        ("Family", held.family.label if held.family is not None else ""),
        ("Weights", f"{held.weights.value}, {held.weights.label}" if held.weights is not None else ""),
        ("Size on disk", words.size(held.bytes)),
    ]
    if checkpoint is not None:
        best = checkpoint.recommended
        facts += [
            ("Native size", f"{best.size.width} × {best.size.height} pixels"),
            ("Recommended", f"{best.steps} steps, guidance {best.guidance_scale:g}, {best.scheduler.label}"),
            ("Sampled with", checkpoint.noise.words),
            ("Edits pictures", "" if checkpoint.has_encoder else "no: it has no VAE encoder"),
        ]
    return [
        *facts,
        ("Licence", licence_of(held)),
        ("Came from", held.source),
        ("Last used", words.used(line.last_used).removeprefix("used ")),
        ("Folder", str(held.folder)),
    ]


def _last_known(line: Shelved) -> list[tuple[str, str]]:
    return [
        ("Last used", words.used(line.last_used).removeprefix("used ")),
        ("Folder", str(line.folder)),
    ]


def _parts(held: Holding | None) -> list[tuple[str, str]]:
    parts = held.parts if held is not None else ()
    return [(_PARTS.get(part.name, part.name), words.size(part.bytes)) for part in parts]


def licence_of(held: Holding) -> str:
    """In words where the catalogue knows its repository, else what the hub calls it; "" where nothing tells."""
    entry = entry_of(held)
    if entry is not None and entry.licence is not None and "licence" not in entry.unverified:
        name = entry.licence.name
        return f"{name}. {entry.licence.words}" if name else entry.licence.words
    return held.licence


def entry_of(held: Holding) -> Entry | None:
    """What the catalogue says of where it came from: "owner/name", perhaps with a file in it and "@commit"."""
    source = held.source.partition("@")[0]
    known = [entry for entry in catalogue() if entry.repo is not None and f"{source}/".startswith(f"{entry.repo}/")]
    return max(known, key=lambda entry: len(str(entry.address)) if str(entry.address) == source else 0, default=None)
