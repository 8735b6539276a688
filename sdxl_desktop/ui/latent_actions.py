"""Continues from a result's latents: decode again, refine, or branch with another prompt."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from PySide6.QtCore import QObject
from PySide6.QtWidgets import QInputDialog

from sdxl_desktop.core.errors import RequestError, SdxlDesktopError
from sdxl_desktop.core.latents import ResumePoint, SavedLatents
from sdxl_desktop.core.refine import RefinerMode
from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.ui.canvas_area import CanvasArea


class LatentActions(QObject):
    """Actions on the result on the canvas that need its latents; they do nothing if it has none.

    `make_request` returns the parameters panel's request, `find_checkpoint_folder` the library folder of a recorded
    checkpoint; `start_run` runs a request.
    """

    def __init__(
        self,
        canvas_area: CanvasArea,
        make_request: Callable[[], GenerationRequest | None],
        find_checkpoint_folder: Callable[[Path], Path | None],
        start_run: Callable[[GenerationRequest], None],
        show_error: Callable[[SdxlDesktopError], None],
    ) -> None:
        super().__init__(canvas_area)
        self._canvas_area = canvas_area
        self._make_request, self._find_checkpoint_folder = make_request, find_checkpoint_folder
        self._start_run, self._show_error = start_run, show_error

    def redecode(self) -> None:
        """Decode the result's latents again with the selected VAE, without sampling."""
        self._continue_from(None, refine=False)

    def refine(self) -> None:
        """Run the selected refiner on the result's latents."""
        self._continue_from(None, refine=True)

    def branch(self) -> None:
        """Ask for a step, and continue from it with the current prompts."""
        result = self._canvas_area.shown_result
        if result is None or result.picture.latents is None:
            return
        steps = result.picture.latents.steps
        step, wanted = QInputDialog.getInt(
            self._canvas_area,
            "Branch",
            f"Continue with the present prompt after step (0 to {steps}):",
            steps // 2,
            0,
            steps,
        )
        if wanted:
            self._continue_from(step, refine=False)

    def decode_kept(self, latents: SavedLatents, made_by: GenerationRequest) -> None:
        """Decode latents saved in a file; the result is added to the strip and can be continued from."""
        self._go_on(latents, made_by, None, refine=False)

    def _continue_from(self, step: int | None, *, refine: bool) -> None:
        result = self._canvas_area.shown_result
        if result is not None and result.picture.latents is not None:
            self._go_on(result.picture.latents, result.request, step, refine=refine)

    def _go_on(self, latents: SavedLatents, made_by: GenerationRequest, step: int | None, *, refine: bool) -> None:
        asked = self._make_request()
        if asked is None:
            return
        if refine and asked.refine is None:
            self._show_error(
                RequestError("No refiner is chosen.", next_step="Choose one under Refiner in the left column.")
            )
            return
        checkpoint = self._find_checkpoint_folder(made_by.checkpoint)
        if checkpoint is None:
            self._show_error(
                RequestError(
                    "The checkpoint that drew this is not in your library.",
                    why=f"It was called {made_by.checkpoint.name[:80]!r}.",
                    next_step="Bring it in, or draw the picture again with another one.",
                )
            )
            return
        sampling = replace(made_by.sampling, seed=latents.seed, count=1)
        try:
            request = replace(
                made_by,
                checkpoint=checkpoint,
                prompts=made_by.prompts if step is None and not refine else asked.prompts,
                sampling=sampling,
                refine=replace(asked.refine, way=RefinerMode.IMG2IMG) if refine and asked.refine is not None else None,
                additions=asked.additions,
                start=ResumePoint(latents, step),
                output=asked.output,
                execution=asked.execution,
            )
        except SdxlDesktopError as problem:
            self._show_error(problem)
            return
        self._canvas_area.follow_run()
        self._start_run(request)
