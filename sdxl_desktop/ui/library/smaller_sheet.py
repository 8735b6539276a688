"""What is asked before a smaller checkpoint is made: by which method, what it will cost, and what to learn from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from PySide6.QtGui import QShowEvent
from PySide6.QtWidgets import QFileDialog, QLineEdit, QPushButton, QWidget

from sdxl_desktop.core.errors import CheckpointError, RequestError
from sdxl_desktop.library.convert.forecast import Forecast
from sdxl_desktop.library.quantize.calibration import DEFAULT_SAMPLES, MAX_SAMPLES, Calibration
from sdxl_desktop.library.quantize.forecast import forecast
from sdxl_desktop.library.quantize.method import Method
from sdxl_desktop.library.quantize.plan import QuantizationPlan
from sdxl_desktop.library.quantize.prompts import read_prompts
from sdxl_desktop.session.tasks import QuantizationNote, free_name
from sdxl_desktop.ui.library import words
from sdxl_desktop.ui.library.cost_table import CostLine, CostTable
from sdxl_desktop.ui.library.pieces import set_tone, title
from sdxl_desktop.ui.library.pieces import words as plain
from sdxl_desktop.ui.library.room import Room, name_problem
from sdxl_desktop.ui.library.sheet import Sheet, tell_disk
from sdxl_desktop.ui.widgets.fields import Choice, IntField
from sdxl_desktop.ui.widgets.layout import LABEL_WIDTH, column, heading, labelled, muted, row
from sdxl_desktop.ui.widgets.plain import PlainLabel

_SHIPPED, _FILE = range(2)
_SUGGESTED = Method.INT8
_MEANINGS = {
    Method.INT8: "Weights in 8 bits. Half the size of fp16; differences are hard to see.",
    Method.INT4: "Most of the UNet's weights in 4 bits. The smallest; pictures change visibly.",
    Method.HYBRID: "Weights in 8 bits, and convolutions compute in 8 bits. Faster where the device can.",
    Method.FULL: "The whole UNet computes in 8 bits. Fastest where the device can; best for few-step checkpoints.",
}


class SmallerSheet(Sheet):
    """Accepted when the person starts it; `value` then says what was chosen."""

    def __init__(
        self, name: str, plans: Mapping[Method, QuantizationPlan | CheckpointError], room: Room, parent: QWidget
    ) -> None:
        """`name` is the title of what it is made from; `plans` say what each method would make, or why it cannot."""
        super().__init__(f"Make {name} smaller", parent)
        self._plans = {method: found for method, found in plans.items() if isinstance(found, QuantizationPlan)}
        self._room = room
        self._own_name = False
        self._prompts_file: Path | None = None
        self._prompts_count, self._prompts_problem = 0, "Choose the file with your prompts."
        self.methods: CostTable[Method] = CostTable(
            [_line(method, plans[method]) for method in Method if method in plans],
            memory=room.memory,
            disk=room.disk,
            heads=("Method", "Memory meanwhile"),
            suggestion="Small, quickly made, and hard to tell from what it is made from",
        )
        self.prompts = Choice("Prompts")
        self.choose_file = QPushButton("Choose &file…")
        self.samples = IntField("Samples", 1, MAX_SAMPLES)
        self.name = QLineEdit()
        self._learning = QWidget()
        self._file, self._drawn = plain(), muted(wrap=True)
        self._wrong, self._memory, self._disk = plain(tone="bad"), plain(), plain()
        self._lay_out(name)
        self._connect()
        self.methods.choose(_SUGGESTED if _SUGGESTED in self._plans else next(iter(self._plans)))

    # building

    def _lay_out(self, name: str) -> None:
        self.prompts.addItems(["The hundred that come with the application", "A text file, a prompt on each line"])
        self.samples.setValue(DEFAULT_SAMPLES)
        self.samples.setToolTip("How many looks of the UNet are learned from; more takes longer and is a little better")
        self.name.setAccessibleName("Name in the library")
        self.choose_file.setAutoDefault(False)
        why = plain("Pictures are drawn first, to see what goes through the UNet. Words like your own teach it best.")
        learned = row(self.samples, self._drawn, spacing=16)
        learned.setStretch(1, 1)
        samples = PlainLabel("Sa&mples")
        samples.setFixedWidth(LABEL_WIDTH)
        samples.setBuddy(self.samples)
        self._learning.setLayout(
            column(
                heading("Sample pictures"),
                why,
                labelled("&Prompts", self.prompts, self.choose_file),
                self._file,
                row(samples, learned),
            )
        )
        content = column(
            title(f"Make {name} smaller"),
            plain("A new checkpoint is made of it; this one stays as it is. Compare both when it is done."),
            self.methods,
            self._learning,
            labelled("&Name", self.name),
            self._wrong,
            self._memory,
            self._disk,
            spacing=12,
            margins=(0, 0, 12, 0),
        )
        content.addStretch(1)
        self.fill(content)
        self.resize(820, 640)

    def _connect(self) -> None:
        self.name.textEdited.connect(self._keep_name)
        self.name.textChanged.connect(self._show)
        self.methods.changed.connect(self._show_method)
        self.samples.valueChanged.connect(self._show_samples)
        self.prompts.currentIndexChanged.connect(self._show)
        self.choose_file.clicked.connect(self._ask_for_file)

    def showEvent(self, event: QShowEvent) -> None:
        """The keyboard begins where something is to be decided."""
        super().showEvent(event)
        (self.methods.first() or self.cancel).setFocus()

    # choosing

    def _keep_name(self) -> None:
        self._own_name = True

    def _ask_for_file(self) -> None:
        chosen, _ = QFileDialog.getOpenFileName(self, "Prompts to learn from", "", "Text files (*.txt);;All files (*)")
        if chosen:
            self.use_file(Path(chosen))

    def use_file(self, file: Path) -> None:
        """Learn from the prompts in `file`, which is read now and not at every change of the sheet."""
        self._prompts_file, self._prompts_problem = file, ""
        try:
            self._prompts_count = len(read_prompts(file))
        except RequestError as problem:
            self._prompts_problem = str(problem)
        self.prompts.setCurrentIndex(_FILE)
        self._show()

    @property
    def method(self) -> Method:
        return self.methods.value() or _SUGGESTED

    # showing

    def _show_method(self) -> None:
        if not self._own_name:
            self.name.setText(free_name(self._plans[self.method].name, self._room.home, self._room.taken))
        self._show()

    def _show_samples(self) -> None:
        self.methods.show_forecasts({method: self._forecast(plan) for method, plan in self._plans.items()})
        self._show()

    def _calibration(self, plan: QuantizationPlan) -> Calibration | None:
        return replace(plan.calibration, samples=self.samples.value()) if plan.calibration is not None else None

    def _forecast(self, plan: QuantizationPlan) -> Forecast:
        return forecast(plan.method, plan.parts, self._calibration(plan))

    def _show(self) -> None:
        plan = self._plans[self.method]
        calibration = self._calibration(plan)
        self._learning.setVisible(calibration is not None)
        wrong = name_problem(self.name.text().strip(), self._room)
        if calibration is not None:
            wrong = self._show_prompts() or wrong
            count = len(calibration.pictures)
            self._drawn.setText(
                f"from {count} picture{'s' if count != 1 else ''} of {calibration.size.width} × "
                f"{calibration.size.height} at {calibration.steps} steps"
            )
        self._wrong.setText(wrong)
        self._wrong.setVisible(bool(wrong))
        self.start.setEnabled(self._show_room(self._forecast(plan)) and not wrong)

    def _show_prompts(self) -> str:
        """Tell which file they come from; returns what is wrong with it."""
        own = self.prompts.currentIndex() == _FILE
        self.choose_file.setVisible(own)
        self._file.setVisible(own and not self._prompts_problem)
        count = self._prompts_count
        self._file.setText(f"{count} prompt{'s' if count != 1 else ''} in {self._prompts_file}")
        return self._prompts_problem if own else ""

    def _show_room(self, needed: Forecast) -> bool:
        """Tell what must be free; returns whether the disk will do. Memory may be free by the time it begins."""
        room = self._room
        fits = needed.memory <= room.memory
        text = f"It takes {words.size(needed.memory)} of memory, and {words.size(room.memory)} are free."
        self._memory.setText(f"{text} Close other programs before it begins, or choose int8 or int4.")
        self._memory.setVisible(not fits)
        set_tone(self._memory, "bad")
        return tell_disk(self._disk, needed.disk_meanwhile, room)

    # the answer

    def value(self) -> QuantizationNote:
        """What was agreed on."""
        own = self.prompts.currentIndex() == _FILE and self._prompts_file is not None and self.method.calibrated
        return QuantizationNote(
            source=str(self._plans[self.method].source.folder),
            method=self.method,
            name=self.name.text().strip(),
            prompts=str(self._prompts_file) if own else "",
            samples=self.samples.committed(),
        )

    def text(self) -> str:
        """What the sheet says, for reading it aloud."""
        said = (*self.methods.lines(), self._shown(self._file), self._shown(self._drawn), self._shown(self._wrong))
        return "\n".join(part for part in (*said, self._shown(self._memory), self._disk.text()) if part)

    def _shown(self, label: PlainLabel) -> str:
        return label.text() if label.isVisibleTo(self) else ""


def _line(method: Method, found: QuantizationPlan | CheckpointError) -> CostLine[Method]:
    if isinstance(found, QuantizationPlan):
        return CostLine(method, method.value, _MEANINGS[method], found.forecast, suggested=method is _SUGGESTED)
    return CostLine(method, method.value, found.why or found.what, None)
