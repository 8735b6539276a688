"""The parts of the window that the gallery works with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from sdxl_desktop.bridge.background import BackgroundRunner
from sdxl_desktop.bridge.history_thread import HistoryThread
from sdxl_desktop.session.generation_session import GenerationSession
from sdxl_desktop.ui.canvas_area import CanvasArea
from sdxl_desktop.ui.checkpoint_controller import CheckpointController
from sdxl_desktop.ui.import_controller import ImportController
from sdxl_desktop.ui.main_controller import MainController
from sdxl_desktop.ui.outgoing_pictures import OutgoingPictures
from sdxl_desktop.ui.parameters_panel import ParametersPanel
from sdxl_desktop.ui.preferences_controller import PreferencesController


@dataclass(frozen=True, slots=True)
class GalleryContext:
    """All created by the window; `thumbnails` is the folder of the kept thumbnails."""

    history: HistoryThread
    background: BackgroundRunner
    session: GenerationSession
    controller: MainController
    checkpoints: CheckpointController
    preferences: PreferencesController
    parameters_panel: ParametersPanel
    importer: ImportController
    canvas_area: CanvasArea
    outgoing: OutgoingPictures
    thumbnails: Path
