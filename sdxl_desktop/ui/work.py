"""What is worked on, all together: the document, the strip and what the panels say."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.core.request import GenerationRequest
from sdxl_desktop.session.document.document import Document
from sdxl_desktop.session.document.project import Project
from sdxl_desktop.session.session import Session
from sdxl_desktop.ui.desk import Desk
from sdxl_desktop.ui.stage import Stage


@dataclass(frozen=True, slots=True)
class Work:
    """All that a project holds, where it is worked on."""

    document: Document
    session: Session
    stage: Stage
    desk: Desk

    def project(self, waiting: tuple[GenerationRequest, ...] = (), kept_as: Path | None = None) -> Project:
        """How it stands now, with what is `waiting` to be drawn and the document's own file, if that holds it all."""
        ground = self.document.ground()
        return Project(
            picture=None if ground.picture is None else ground.picture.array,
            mask=None if ground.mask is None else ground.mask.array,
            picture_name=self.document.name,
            candidates=tuple(self.session.results),
            workspace=self.desk.value(),
            waiting=waiting,
            kept_as=kept_as,
        )

    @property
    def empty(self) -> bool:
        return not self.document.has_picture and not self.session.results
