"""The left column: the panels that make a request, and the one big button."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QSignalBlocker, Qt, QTimer, Signal
from PySide6.QtWidgets import QFrame, QScrollArea, QWidget

from sdxl_desktop.core.additions import named_only
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.edit import Ground
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.request import (
    Execution,
    GenerationRequest,
    MicroConditioning,
    Output,
    Sampling,
)
from sdxl_desktop.core.settings import Workspace
from sdxl_desktop.core.speed import Speed
from sdxl_desktop.library.detect.sampling import FewStep
from sdxl_desktop.library.tokens import TokenCounter
from sdxl_desktop.library.vectors import vectors_of
from sdxl_desktop.session.found_again import found_again, what_is_missing
from sdxl_desktop.ui.panels.additions import AdditionsPanel
from sdxl_desktop.ui.panels.checkpoint import CheckpointPanel
from sdxl_desktop.ui.panels.edit import EditPanel
from sdxl_desktop.ui.panels.few_step import FewStepNote
from sdxl_desktop.ui.panels.generate import GenerateBar, Run, mode_of, obstacle
from sdxl_desktop.ui.panels.micro import MicroPanel, MicroValue
from sdxl_desktop.ui.panels.prompts import PromptsPanel
from sdxl_desktop.ui.panels.refiner import RefinerPanel
from sdxl_desktop.ui.panels.sampling import SamplingPanel
from sdxl_desktop.ui.widgets.layout import Disclosure, column, heading, rule

NOTHING = Ground()
PLAIN = Output()


class Desk(QWidget):
    """Edits the part of a `Workspace` that is not the window's layout.

    `additions_offered`: somebody should find out what these files are and call `add_lora`, `add_embedding` or
    `use_vae`.
    `expand_wanted`: the picture should be made larger. `library_wanted`: all checkpoints should be shown.
    `compare_wanted`: the two of `requests_to_compare` should be drawn and shown side by side.
    """

    changed = Signal()
    checkpoint_chosen = Signal()
    generate_wanted = Signal()
    queue_wanted = Signal()
    cancel_wanted = Signal()
    clear_queue_wanted = Signal()
    resume_wanted = Signal()
    compare_wanted = Signal()
    drafts_wanted = Signal()
    expand_wanted = Signal()
    library_wanted = Signal()
    additions_offered = Signal(object)
    """tuple[Path, ...]"""

    def __init__(self, content_of: Callable[[Path], str] = lambda folder: "") -> None:
        """`content_of` names the content of a checkpoint's folder, "" where that is not known."""
        super().__init__()
        self._content_of = content_of
        self._ground = NOTHING
        self._wanted_checkpoint = ""
        self._restored = False
        self._checkpoint = CheckpointPanel()
        self._few_step = FewStepNote()
        self._prompts = PromptsPanel()
        self._edit = EditPanel()
        self._sampling = SamplingPanel()
        self._refiner = RefinerPanel()
        self._additions = AdditionsPanel()
        self._micro = MicroPanel()
        self._bar = GenerateBar()
        self._area = QScrollArea()
        self._generate = self._bar.button
        self._sections: dict[str, Disclosure] = {
            "second encoder": self._prompts.encoders,
            "variation": self._sampling.variation.section,
            "advanced": self._sampling.advanced.section,
            "edit": self._edit.section,
            "refiner": self._refiner.section,
            "additions": self._additions.section,
            "micro-conditioning": self._micro.section,
        }
        self._lay_out()
        self._connect()
        self._follow()

    def _lay_out(self) -> None:
        self.setObjectName("desk")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.setMinimumWidth(336)
        self.setMaximumWidth(560)
        whole = column(self._scrolled(), self._bar, spacing=0)
        whole.setStretch(0, 1)
        self.setLayout(whole)

    def _scrolled(self) -> QScrollArea:
        content = QWidget()
        content.setObjectName("deskContent")
        panels = column(
            column(self._checkpoint, self._few_step, spacing=4),
            self._prompts,
            rule(),
            self._edit,
            heading("Sampling"),
            self._sampling,
            rule(),
            column(self._refiner, self._additions, self._micro, spacing=8),
            spacing=12,
            margins=(16, 12, 8, 12),
        )
        panels.addStretch(1)
        content.setLayout(panels)
        area = self._area
        area.setFrameShape(QFrame.Shape.NoFrame)
        area.setWidgetResizable(True)
        area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        area.setWidget(content)
        return area

    def _connect(self) -> None:
        self._checkpoint.changed.connect(self._take_checkpoint)
        self._checkpoint.library_wanted.connect(self.library_wanted)
        for panel in (
            self._checkpoint,
            self._prompts,
            self._edit,
            self._sampling,
            self._refiner,
            self._additions,
            self._micro,
        ):
            panel.changed.connect(self._told)
        self._few_step.keep_wanted.connect(self._keep_mine)
        self._edit.match_wanted.connect(self._match_shape)
        self._edit.expand_wanted.connect(self.expand_wanted)
        self._additions.changed.connect(self._know_embeddings)
        self._additions.files_offered.connect(self.additions_offered)
        self._additions.token_wanted.connect(self._prompts.insert_word)
        self._micro.compare_wanted.connect(self.compare_wanted)
        for section in self._sections.values():
            section.toggled.connect(self.changed)
        self._bar.generate_wanted.connect(self.generate_wanted)
        self._bar.queue_wanted.connect(self.queue_wanted)
        self._bar.cancel_wanted.connect(self.cancel_wanted)
        self._bar.clear_queue_wanted.connect(self.clear_queue_wanted)
        self._bar.resume_wanted.connect(self.resume_wanted)
        self._bar.drafts_wanted.connect(self.drafts_wanted)

    # the request

    def request(
        self, execution: Execution, ground: Ground = NOTHING, *, output: Output = PLAIN
    ) -> GenerationRequest | None:
        """What the panels ask for now, with the seed for the next run; None when there is nothing to draw with.

        Raises RequestError where values cannot go together, and where the checkpoint cannot do what `ground` implies.
        """
        asked = self._asked(execution, ground, output)
        return None if asked is None else replace(asked, sampling=self._sampling.next_value())

    def requests_to_compare(
        self, execution: Execution, ground: Ground = NOTHING, *, output: Output = PLAIN
    ) -> tuple[GenerationRequest, GenerationRequest] | None:
        """A single picture of the present seed without micro-conditioning, and the same with it, on or not.

        None when there is nothing to draw with. Raises RequestError as `request` does.
        """
        asked = self._asked(execution, ground, output)
        if asked is None:
            return None
        asked = replace(asked, sampling=replace(asked.sampling, count=1))
        without, with_it = (MicroValue(on, self._micro.value().conditioning) for on in (False, True))
        return (
            replace(asked, micro_conditioning=self._conditioning(without)),
            replace(asked, micro_conditioning=self._conditioning(with_it)),
        )

    def can_request(self, execution: Execution, ground: Ground = NOTHING, *, output: Output = PLAIN) -> bool:
        """Whether `request` would give something."""
        try:
            return self._asked(execution, ground, output) is not None
        except SdxlDesktopError:
            return False

    def _asked(self, execution: Execution, ground: Ground, output: Output) -> GenerationRequest | None:
        checkpoint = self._checkpoint.checkpoint()
        if checkpoint is None:
            return None
        hindrance = obstacle(checkpoint, ground, other_vae=self._additions.value().vae is not None)
        if hindrance is not None:
            raise hindrance
        self._sampling.advanced.check()
        prompts = self._prompts.value()
        return GenerationRequest(
            checkpoint=checkpoint.folder,
            prompts=prompts,
            sampling=self._sampling.value(),
            micro_conditioning=self._conditioning(self._micro.value()),
            edit=self._edit.edit(ground),
            refine=self._refiner.refine(),
            additions=self._additions.additions(prompts),
            output=output,
            execution=execution,
        )

    def speed(self) -> Speed:
        """What may be saved at the next run."""
        return self._sampling.value().speed

    def _conditioning(self, micro: MicroValue) -> MicroConditioning:
        """The sizes and crop of `micro`, and the scores where a refiner takes them."""
        scores = self._refiner.scores()
        if scores is None:
            return micro.effective
        return replace(micro.effective, aesthetic_score=scores[0], negative_aesthetic_score=scores[1])

    def reuse(self, request: GenerationRequest, seed: int, checkpoint_id: str = "") -> SdxlDesktopError | None:
        """Put the settings that made a picture back into the panels, its own seed locked. Returns what to tell where
        not all that drew it is here."""
        used, differs = found_again(request.checkpoint, checkpoint_id, self._checkpoint.checkpoints(), self._content_of)
        if used is not None and used is not self._checkpoint.checkpoint():
            self._checkpoint.set_value(used.name)
            self._begin_with(used)
            self.checkpoint_chosen.emit()
        self._prompts.set_value(request.prompts)
        self._reuse_sampling(replace(request.sampling, seed=seed))
        self._micro.set_value(MicroValue.of(request.micro_conditioning))
        missing: tuple[str, ...] = (
            () if used is not None else (f"the checkpoint {named_only(request.checkpoint).name}",)
        )
        missing += self._refiner.reuse(request.refine, request.micro_conditioning)
        missing += self._additions.reuse(request.additions)
        self._know_embeddings()
        if request.edit is not None:
            self._edit.reuse(request.edit)
        self._told()
        now = self._checkpoint.checkpoint()
        return what_is_missing(missing, "" if now is None else now.title, differs=differs)

    def _reuse_sampling(self, sampling: Sampling) -> None:
        self._sampling.set_value(sampling)
        self._sampling.seed.set_locked(True)
        self._sampling.variation.seed.set_locked(sampling.variation_strength > 0)

    def use_seed(self, seed: int) -> None:
        """Take one picture's seed and keep it."""
        self._sampling.seed.set_value(seed)
        self._sampling.seed.set_locked(True)
        self.changed.emit()

    def use_prompt(self, prompt: str) -> None:
        """Replace the prompt and put the cursor into it."""
        self._prompts.set_value(replace(self._prompts.value(), prompt=prompt))
        self._prompts.focus()
        self.changed.emit()

    def add_lora(self, file: Path) -> None:
        """Put a LoRA into the list of additions."""
        self._additions.add_lora(file)

    def use_few_step(self, settings: FewStep) -> None:
        """Draw with the settings that something distilled to few steps is made for."""
        self._sampling.set_value(settings.on(self._sampling.value()))
        self._told()

    def add_embedding(self, file: Path, token: str) -> None:
        """Put an embedding into the list of additions; raises RequestError for a token that cannot be one."""
        self._additions.add_embedding(file, token)

    def use_vae(self, path: Path) -> None:
        """Decode with the VAE in this file or folder from now on."""
        self._additions.use_vae(path)

    def show_additions(self) -> None:
        """Scroll the list of additions to what was added last."""
        QTimer.singleShot(0, self, self._scroll_to_additions)  # when it has been laid out

    def _scroll_to_additions(self) -> None:
        self._area.ensureWidgetVisible(self._additions.last_row() or self._additions, 0, 48)

    def focus(self) -> None:
        """Put the cursor into the prompt."""
        self._prompts.focus()

    # the workspace

    def value(self) -> Workspace:
        """What is on the desk; the window's layout is left empty."""
        micro = self._micro.value()
        return Workspace(
            prompts=self._prompts.value(),
            sampling=self._sampling.value() if self._restored else None,
            micro_conditioning=micro.conditioning,
            micro_conditioning_on=micro.on,
            checkpoint=self._checkpoint.value() or self._wanted_checkpoint,
            edit=self._edit.value(),
            refiner=self._refiner.value(),
            additions=self._additions.value(),
            seed_locked=self._sampling.seed.locked(),
            variation_locked=self._sampling.variation.seed.locked(),
            open_sections=tuple(name for name, section in self._sections.items() if section.is_open()),
        )

    def set_value(self, workspace: Workspace) -> None:
        """Take all of it over; the checkpoint stays where there is none of that name. Does not emit."""
        with QSignalBlocker(self):
            self._wanted_checkpoint = workspace.checkpoint
            self._checkpoint.set_value(workspace.checkpoint)
            if (checkpoint := self._checkpoint.checkpoint()) is not None:
                self._begin_with(checkpoint)
            self._prompts.set_value(workspace.prompts)
            if workspace.sampling is not None:
                self._restored = True
                self._sampling.set_value(workspace.sampling)
            self._micro.set_value(MicroValue(workspace.micro_conditioning_on, workspace.micro_conditioning))
            self._edit.set_value(workspace.edit)
            self._refiner.set_value(workspace.refiner)
            self._additions.set_value(workspace.additions)
            self._know_embeddings()
            self._sampling.seed.set_locked(workspace.seed_locked)
            self._sampling.variation.seed.set_locked(workspace.variation_locked)
            for name, section in self._sections.items():
                section.set_open(name in workspace.open_sections)
            self._follow()

    # checkpoints

    def set_checkpoints(self, checkpoints: Sequence[Checkpoint]) -> None:
        """Offer these; what was chosen stays chosen, and values set before stay as they are."""
        self._wanted_checkpoint = self._checkpoint.value() or self._wanted_checkpoint
        self._checkpoint.set_checkpoints(checkpoints, self._wanted_checkpoint)
        self._refiner.set_checkpoints(checkpoints)
        checkpoint = self._checkpoint.checkpoint()
        if checkpoint is not None:
            self._begin_with(checkpoint)
            if not self._restored:
                self._sampling.set_recommended(checkpoint)
                self._restored = True
            self.checkpoint_chosen.emit()
        self._follow()

    def _begin_with(self, checkpoint: Checkpoint) -> None:
        """This one is in use, and not because the person chose it in the list: its values are not asked for."""
        self._few_step.begin(checkpoint)
        self._sampling.set_checkpoint(checkpoint)

    def checkpoint(self) -> Checkpoint | None:
        return self._checkpoint.checkpoint()

    def known_folder(self, folder: Path) -> Path | None:
        """The folder of the library's checkpoint that a record means by `folder`, by its path or else its name; None
        where there is none. What a record names is not opened."""
        known = [checkpoint.folder for checkpoint in self._checkpoint.checkpoints()]
        same = [one for one in known if one == folder] or [one for one in known if one.name == folder.name]
        return next(iter(same), None)

    def choose_checkpoint(self, name: str) -> bool:
        """Choose the checkpoint called `name` as a person does, which is told; False where there is none."""
        return self._checkpoint.choose(name)

    def show_library_jobs(self, words: str) -> None:
        """Say beside the checkpoint how far those are that come in; "" when none do."""
        self._checkpoint.show_jobs(words)

    def set_counters(self, first: TokenCounter | None, second: TokenCounter | None) -> None:
        self._prompts.set_counters(first, second)

    def _take_checkpoint(self) -> None:
        checkpoint = self._checkpoint.checkpoint()
        if checkpoint is not None:
            sampling = self._few_step.switch(checkpoint, self._sampling.value())
            self._sampling.set_checkpoint(checkpoint)
            self._sampling.set_value(sampling)
            self.checkpoint_chosen.emit()

    def _keep_mine(self) -> None:
        self._sampling.set_value(self._few_step.keep(self._sampling.value()))
        self._told()

    # following one another

    def show_ground(self, ground: Ground) -> None:
        """What lies on the canvas: the edit panel comes and goes with it, and the button says what it will do."""
        self._ground = ground
        self._edit.show_ground(ground)
        self._follow()

    def pick(self, intent: Intent) -> None:
        """Take the values that `intent` means for what lies on the canvas."""
        self._edit.pick(intent)

    def begin_picture(self) -> None:
        """Another picture was put onto the canvas: what was meant with the one before does not count for it."""
        self._edit.begin_picture()

    def show_left_out(self, left_out: bool) -> None:
        """Whether a part of the mask lies outside of what the next run draws."""
        self._edit.show_left_out(left_out)

    def _match_shape(self) -> None:
        if self._ground.picture is not None:
            self._sampling.take_shape(self._ground.picture.size)

    def _know_embeddings(self) -> None:
        """Let the prompts mark and count the words that stand for embeddings."""
        listed = {embedding.token: vectors_of(embedding.file) for embedding in self._additions.value().embeddings}
        self._prompts.set_embeddings(
            {token: first for token, (first, _) in listed.items()},
            {token: second for token, (_, second) in listed.items()},
        )

    def _told(self) -> None:
        self._follow()
        self.changed.emit()

    def _follow(self) -> None:
        """Tell the panels what they must know of one another."""
        size, checkpoint = self._sampling.picture_size(), self._checkpoint.checkpoint()
        self._micro.set_picture_size(size)
        self._edit.show_drawn_size(size)
        self._refiner.show_main(checkpoint)
        other_vae = self._additions.value().vae is not None
        hindrance = obstacle(checkpoint, self._ground, other_vae=other_vae) if checkpoint else None
        self._bar.show_purpose(
            mode_of(self._ground),
            self._edit.value().intent,
            ready=checkpoint is not None,
            obstacle=hindrance.what if hindrance else "",
        )

    # the button

    def show_shortage(self, words: str) -> None:
        """What the next run may lack, above the button; it stops nobody."""
        self._bar.show_shortage(words)

    def show_run(self, *, running: bool, cancelling: bool, waiting: int) -> None:
        """Make the button fit what the session does."""
        self._bar.show_run(Run(running, cancelling, waiting))
