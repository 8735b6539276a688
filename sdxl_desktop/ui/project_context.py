"""The current work: the document, the result strip and the panels' values."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.project_file import Project
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.session.result_files import Result
from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.parameters_panel import ParametersPanel


@dataclass(frozen=True, slots=True)
class ProjectContext:
    """The live objects whose state a project file holds."""

    document: Document
    session: GenerationSession
    canvas_area: CanvasArea
    parameters_panel: ParametersPanel

    def snapshot(self, saved_file: Path | None = None) -> Project:
        """Return the current state, with the document's own file if it holds everything."""
        edit_source = self.document.edit_source()
        return Project(
            picture=None if edit_source.picture is None else edit_source.picture.array,
            mask=None if edit_source.mask is None else edit_source.mask.array,
            picture_name=self.document.name,
            candidates=self.own_results,
            workspace=self.parameters_panel.value(),
            saved_file=saved_file,
        )

    @property
    def is_empty(self) -> bool:
        return not self.document.has_picture and not self.own_results

    @property
    def own_results(self) -> tuple[Result, ...]:
        """The results without those of earlier sessions."""
        return tuple(result for result in self.session.results if not result.is_earlier)
