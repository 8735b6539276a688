"""What each click calls: connects the desk, the stage and the status line with the session's verbs, and redraws."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PySide6.QtCore import QObject, QPoint, Signal
from PySide6.QtWidgets import QFileDialog, QMenu

from sdxl_desktop.core.edit import Ground
from sdxl_desktop.core.errors import CheckpointError, SdxlDesktopError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.request import MAX_SEED, GenerationRequest
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.history.metadata import Record
from sdxl_desktop.library.additions import AdditionKind, kind_of
from sdxl_desktop.session.drafts import DraftingSession
from sdxl_desktop.session.outlook import expected, frame_policy, size_of
from sdxl_desktop.session.paces import Paces
from sdxl_desktop.session.pictures import Result, suggested_name
from sdxl_desktop.ui.candidates import Candidates
from sdxl_desktop.ui.desk import Desk
from sdxl_desktop.ui.desktop import show_in_folder
from sdxl_desktop.ui.devices.ready import ReadySizes
from sdxl_desktop.ui.drafts.verbs import DraftVerbs
from sdxl_desktop.ui.editor import Editor
from sdxl_desktop.ui.incoming import is_checkpoint
from sdxl_desktop.ui.keeper import with_suffix
from sdxl_desktop.ui.latent_verbs import LatentVerbs
from sdxl_desktop.ui.stage import Stage
from sdxl_desktop.ui.status import StatusLine, devices_text
from sdxl_desktop.ui.transfer import OutgoingPictures

_FORMATS = "PNG (*.png);;JPEG (*.jpg *.jpeg);;WebP (*.webp)"


class Conductor(QObject):
    """The verbs of the window. `preferences` say where and how the next run is to happen."""

    redrawn = Signal()
    checkpoint_came = Signal(str)
    """A file of weights that is neither a LoRA nor an embedding."""

    def __init__(
        self,
        session: DraftingSession,
        desk: Desk,
        stage: Stage,
        status: StatusLine,
        outgoing: OutgoingPictures,
        editor: Editor,
        preferences: Callable[[], Preferences],
        ready: ReadySizes,
        paces: Paces,
    ) -> None:
        super().__init__(stage)
        self._session = session
        self._desk, self._stage, self._status = desk, stage, status
        self._outgoing = outgoing
        self._editor = editor
        self._preferences = preferences
        self.ready = ready
        self._compared: tuple[GenerationRequest, GenerationRequest] | None = None
        self._answer: Callable[[], object] | None = None
        self._problem: SdxlDesktopError | None = None
        self._finished = session.finished
        self._to_tell: Picture | None = None
        self._paces = paces
        self._shown_ground = Ground()
        self.candidates = Candidates(session, stage, editor, self._draw_on, self._tell)
        self.latents = LatentVerbs(stage, self._request, self._begin, self.show_problem)
        self.drafts = DraftVerbs(session, desk, self._request, self.show_problem, stage)
        self._connect()
        session.changed = self.redraw

    def _connect(self) -> None:
        desk, stage = self._desk, self._stage
        desk.generate_wanted.connect(self.generate)
        desk.queue_wanted.connect(self.add_to_queue)
        desk.cancel_wanted.connect(self._session.cancel)
        desk.compare_wanted.connect(self.compare)
        desk.drafts_wanted.connect(self.drafts.open)
        self.redrawn.connect(self.drafts.redraw)
        desk.additions_offered.connect(self.add_weights)
        desk.expand_wanted.connect(self._editor.expand)
        desk.changed.connect(self.show_plan)
        self._status.shortage_changed.connect(desk.show_shortage)
        stage.easel.frame_changed.connect(lambda _: self._tell_plan())
        self._editor.ground_changed.connect(self._show_ground)
        self._editor.failed.connect(self.show_problem)
        self._editor.told.connect(self._tell)
        self._editor.expanded.connect(self._take_expanded)
        self._editor.weights_came.connect(self.add_weights)
        self._editor.record_found.connect(self._offer_record)
        stage.banner.dismissed.connect(self.dismiss)
        stage.banner.answered.connect(self._session.resume)
        stage.toast.answered.connect(self._answer_toast)
        stage.menu_wanted.connect(self._show_menu)
        stage.empty.prompt_chosen.connect(desk.use_prompt)
        stage.bar.save_wanted.connect(self.save)
        stage.bar.save_as_wanted.connect(self.save_as)
        stage.bar.copy_wanted.connect(self.copy)

    # drawing

    def generate(self) -> None:
        """Draw what the desk says, unless something is being drawn."""
        if self._session.run is not None:
            self._tell("Already drawing. Ctrl+Shift+Enter adds this to the queue.")
            return
        self._stage.follow()
        self.add_to_queue()

    def add_to_queue(self) -> None:
        """Draw what the desk says as soon as the engine is free."""
        request = self._request()
        if request is not None:
            self._begin(request)

    def _request(self) -> GenerationRequest | None:
        """What the desk asks for; None after telling why it asks for nothing."""
        try:
            preferences = self._preferences()
            request = self._desk.request(preferences.execution, self._ground(), output=preferences.output)
        except SdxlDesktopError as problem:
            self.show_problem(problem)
            return None
        if request is None:
            self.show_problem(_nothing_to_draw_with())
            return None
        return self.ready.framed(request, self._stage.easel.frame)

    def _begin(self, request: GenerationRequest) -> None:
        self._problem = None
        self._stage.toast.dismiss()
        self._session.generate(request)

    def _ground(self) -> Ground:
        return self._editor.document.ground()

    def _show_ground(self) -> None:
        self._shown_ground = self._ground()
        self._desk.show_ground(self._shown_ground)
        self.show_plan()

    def show_plan(self) -> None:
        """Show on the canvas what of the picture the next run sees, and below at which size and for how long."""
        policy = frame_policy(self._desk.value(), self._shown_ground, self._desk.checkpoint())
        policy = self.ready.preferred(policy, self._desk.checkpoint(), self._preferences().execution)
        self._stage.easel.set_frame_policy(policy)
        self._tell_plan()

    def _tell_plan(self) -> None:
        frame, workspace = self._stage.easel.frame, self._desk.value()
        drawn = size_of(workspace) if frame is None else frame.drawn
        execution, checkpoint = self._preferences().execution, self._desk.checkpoint()
        forecast = expected(self._paces, workspace, self._shown_ground, checkpoint, execution, drawn)
        self._status.show_plan(drawn, forecast)

    def _take_expanded(self) -> None:
        """The picture is larger: what is new is to be drawn next."""
        self._show_ground()
        self._desk.pick(Intent.EXPAND)

    def _draw_on(self, result: Result) -> None:
        """Draw what the desk says, with a seed that the run of `result` did not have."""
        request = self._request()
        if request is None:
            return
        used = result.request.sampling
        if request.sampling.seed == used.seed:
            self._desk.use_seed((used.seed + used.count) % (MAX_SEED + 1))
            request = self._request() or request
        self._stage.follow()
        self._begin(request)

    def compare(self) -> None:
        """Draw the same seed without and with micro-conditioning, and show them under one line."""
        if self._session.run is not None:
            self._tell("Already drawing. Compare when it is done.")
            return
        try:
            preferences = self._preferences()
            both = self._desk.requests_to_compare(preferences.execution, self._ground(), output=preferences.output)
        except SdxlDesktopError as problem:
            self.show_problem(problem)
            return
        if both is None:
            self.show_problem(_nothing_to_draw_with())
            return
        self._compared = both
        self._stage.follow()
        for request in both:
            self._begin(request)

    def add_weights(self, files: tuple[Path, ...]) -> None:
        """Put LoRAs and embeddings into the list of additions."""
        for file in files:
            if is_checkpoint(file):
                self.checkpoint_came.emit(str(file))
                continue
            try:
                if kind_of(file) is AdditionKind.LORA:
                    self._desk.add_lora(file)
                else:
                    self._desk.add_embedding(file, file.stem.replace(" ", "-"))
            except SdxlDesktopError as problem:
                self.show_problem(problem)

    # how a picture was made

    def _offer_record(self, record: Record) -> None:
        self._tell(
            "This picture says how it was made",
            answer="Use its settings",
            act=lambda: self._desk.reuse(record.request, record.seed),
        )

    def tell(
        self,
        text: str,
        *,
        answer: str = "",
        act: Callable[[], object] | None = None,
        tip: str = "",
        stays: bool = False,
    ) -> None:
        """Say something in passing, with `answer` as a button that calls `act`."""
        self._tell(text, answer=answer, act=act, tip=tip, stays=stays)

    def offer_recovery(self, recover: Callable[[], object]) -> None:
        """Say that something was left behind, and offer to bring it back."""
        self._tell("Your last work was not closed properly", answer="Bring it back", act=recover, stays=True)

    def _tell(
        self,
        text: str,
        *,
        answer: str = "",
        act: Callable[[], object] | None = None,
        tip: str = "",
        stays: bool = False,
    ) -> None:
        """Say something in passing, with `answer` as a button that calls `act`."""
        self._answer = act
        self._stage.toast.tell(text, answer=answer, tip=tip, stays=stays)

    def _answer_toast(self) -> None:
        if self._answer is not None:
            self._answer()

    def escape(self) -> None:
        """Stop what runs; with nothing running, put a problem away; with none, go back from a result to the picture."""
        if self._session.run is not None:
            self._session.cancel()
        elif self._session.error is not None or self._problem is not None:
            self.dismiss()
        elif self._stage.shown_result is not None and self._editor.document.has_picture:
            self._stage.show_document()
        else:
            self.dismiss()

    def dismiss(self) -> None:
        self._problem = None
        self._stage.toast.dismiss()
        self._session.dismiss()

    # the picture on the canvas

    def save(self) -> None:
        self._keep(lambda row: self._session.save(row))

    def save_as(self) -> None:
        result = self._current()
        if result is None:
            return
        start = self._session.store.folder / f"{suggested_name(result)}.png"
        chosen, kind = QFileDialog.getSaveFileName(self._stage, "Save picture as", str(start), _FORMATS)
        if chosen:
            path = with_suffix(Path(chosen), kind)
            self._keep(lambda row: self._session.save_as(row, path))

    def copy(self) -> None:
        result = self._current()
        if result is not None:
            self._outgoing.copy(result)
            self._tell("Picture copied")

    def use_settings(self) -> None:
        result = self._current()
        if result is not None:
            self._desk.reuse(result.request, result.picture.seed)

    def use_seed(self) -> None:
        result = self._current()
        if result is not None:
            self._desk.use_seed(result.picture.seed)

    def show_in_folder(self) -> None:
        result = self._current()
        if result is not None and result.saved_to is not None:
            show_in_folder(result.saved_to)

    def _current(self) -> Result | None:
        row = self._stage.current_row()
        return self._session.results[row] if 0 <= row < len(self._session.results) else None

    def _keep(self, verb: Callable[[int], Result]) -> None:
        row = self._stage.current_row()
        if self._current() is None:
            return
        try:
            result = verb(row)
        except SdxlDesktopError as problem:
            self.show_problem(problem)
        else:
            self._tell_saved(result)

    def _tell_saved(self, result: Result) -> None:
        file = result.saved_to
        if file is not None:
            words = f"Saved as {file.name}"
            self._tell(words, answer="Show in folder", act=lambda: show_in_folder(file), tip=str(file))

    def _show_menu(self, row: int, place: QPoint) -> None:
        menu = self.result_menu(row)
        menu.aboutToHide.connect(menu.deleteLater)
        menu.popup(place)

    def result_menu(self, row: int) -> QMenu:
        """What can be done with the result in `row`, which comes onto the canvas."""
        self._stage.go_to(row)
        result = self._current()
        menu = QMenu(self._stage)
        has_picture = self._editor.document.has_picture
        menu.addAction("Apply to the picture" if has_picture else "Edit this picture", self._editor.take_result)
        if has_picture:
            menu.addAction("Apply and keep going", self.candidates.apply_and_go_on)
        menu.addAction("Discard", self.candidates.discard)
        latents = None if result is None else result.picture.latents
        again = menu.addMenu("Go on from its latents")
        again.setEnabled(latents is not None)
        again.addAction("Decode again", self.latents.decode_again)
        again.addAction("Retouch with the refiner", self.latents.refine)
        branch = again.addAction("Branch at a step…", self.latents.branch)
        branch.setEnabled(latents is not None and latents.predictions is not None)
        menu.addSeparator()
        menu.addAction("Use these settings", self.use_settings)
        menu.addAction("Use this seed", self.use_seed)
        menu.addSeparator()
        menu.addAction("Save", self.save)
        menu.addAction("Save as…", self.save_as)
        menu.addAction("Copy", self.copy)
        folder = menu.addAction("Show in folder", self.show_in_folder)
        folder.setEnabled(result is not None and result.saved_to is not None)
        return menu

    # redrawing

    def show_problem(self, problem: SdxlDesktopError) -> None:
        """Tell a problem that is not of a run."""
        self._problem = problem
        self.redraw()

    def redraw(self) -> None:
        """Make the window show where the session stands."""
        session = self._session
        run = session.run
        self._stage.redraw(session)
        self._desk.show_run(
            running=run is not None,
            cancelling=run is not None and run.cancelling,
            waiting=len(session.queue),
        )
        self._status.redraw(session)
        waiting = len(session.queue) if run is None and session.error else 0
        self._stage.banner.show_error(
            session.error or self._problem, f"Go on with the {waiting} waiting" if waiting else ""
        )
        if session.finished is not self._finished:
            self._take_finished()
        self._tell_kept()
        self.redrawn.emit()

    def _take_finished(self) -> None:
        self._finished = self._session.finished
        if self._finished is None or not self._session.results:
            return
        self._status.show_parts(devices_text(self._finished))
        self._paces.learn(self._session.results[-1].request, self._finished)
        self.ready.forget()
        self._tell_plan()
        last = self._session.results[-1].picture
        self._show_comparison()
        if last.notes:
            self._tell(" ".join(last.notes))
        else:
            self._to_tell = last

    def _show_comparison(self) -> None:
        """Once both runs of a comparison are done, put them under one line."""
        if self._compared is None:
            return
        found = [next((r for r in self._session.results if r.request is made), None) for made in self._compared]
        before, after = found
        if before is not None and after is not None:
            self._compared = None
            self._stage.compare(before, after)

    def _tell_kept(self) -> None:
        """Say where the last picture of a run is, as soon as it is written."""
        last = self._session.results[-1] if self._session.results else None
        if last is not None and last.picture is self._to_tell and last.saved_to is not None:
            self._to_tell = None
            self._tell_saved(last)


def _nothing_to_draw_with() -> CheckpointError:
    return CheckpointError(
        "There is no checkpoint to draw with.",
        next_step="Put a folder of OpenVINO SDXL parts into your checkpoints folder, or choose it in the settings.",
    )
