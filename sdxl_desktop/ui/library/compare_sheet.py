"""What is asked before two checkpoints are compared: with which, and on how many pictures."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtWidgets import QWidget

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.request import Execution
from sdxl_desktop.session.tasks import PROMPTS_COMPARED, Comparable, ComparisonNote
from sdxl_desktop.ui.library.pieces import title
from sdxl_desktop.ui.library.pieces import words as plain
from sdxl_desktop.ui.library.sheet import Sheet
from sdxl_desktop.ui.widgets.fields import Choice, IntField
from sdxl_desktop.ui.widgets.layout import column, labelled, muted

_MOST_PROMPTS, _MOST_SEEDS = 40, 8
_WHAT = (
    "Both draw the same words from the same seeds, one after the other, each in a process of its own. A page then "
    "shows the pictures side by side, how far they are apart, and what each took."
)
_FAIR = "The times are fair only if nothing else is drawn meanwhile."


class CompareSheet(Sheet):
    """Accepted when the person starts it; `value` then says what was chosen."""

    def __init__(self, one: Checkpoint, found: Comparable, parent: QWidget) -> None:
        """`one` is compared with one of `found`, which has some; what it was made from comes first in the report."""
        super().__init__(f"Compare {one.title}", parent)
        self._one, self._found = one, found
        self.other = Choice("Compare with")
        self.prompts, self.seeds = IntField("Prompts", 1, _MOST_PROMPTS), IntField("Seeds of each", 1, _MOST_SEEDS)
        self._told = plain()
        self._lay_out()
        self._connect()
        self._show()

    def _lay_out(self) -> None:
        for other in self._found.others:
            self.other.addItem(other.title if other.title == other.name else f"{other.title} ({other.name})")
        self.prompts.setValue(PROMPTS_COMPARED)
        for field in (self.prompts, self.seeds):
            field.setFixedWidth(80)
        prompts = labelled("&Prompts", self.prompts, muted("of the hundred that come with the application"))
        seeds = labelled("S&eeds", self.seeds, muted("of each prompt"))
        for line in (prompts, seeds):
            line.setStretch(1, 0)
            line.setStretch(2, 1)
        content = column(
            title(f"Compare {self._one.title}"),
            plain(_WHAT),
            labelled("&With", self.other),
            prompts,
            seeds,
            self._told,
            plain(_FAIR),
            spacing=12,
            margins=(24, 24, 24, 16),
        )
        content.addStretch(1)
        content.addLayout(self.buttons())
        self.setLayout(content)
        self.setMinimumWidth(560)

    def _connect(self) -> None:
        self.other.currentIndexChanged.connect(self._show)
        self.prompts.valueChanged.connect(self._show)
        self.seeds.valueChanged.connect(self._show)

    def _show(self) -> None:
        first, _ = self._order()
        best, count = first.recommended, self.prompts.value() * self.seeds.value()
        self._told.setText(
            f"{count} picture{'s' if count != 1 else ''} with each, {best.size.width} × {best.size.height} at "
            f"{best.steps} steps and guidance {best.guidance_scale:g}, as {first.title} recommends."
        )

    def _order(self) -> tuple[Checkpoint, Checkpoint]:
        """The two, with what the other was made from first."""
        other = self._found.others[max(0, self.other.currentIndex())]
        return (other, self._one) if other == self._found.source else (self._one, other)

    def value(self, home: Path, execution: Execution) -> ComparisonNote:
        """What was agreed on, to be reported in a folder in `home` and drawn as `execution` says."""
        first, second = self._order()
        return ComparisonNote(
            first=first.folder,
            second=second.folder,
            home=home,
            prompts=self.prompts.committed(),
            seeds=self.seeds.committed(),
            execution=execution,
        )

    def text(self) -> str:
        """What it says of the run to come."""
        return self._told.text()
