"""The bar above the gallery: back, search, how many pictures, slide show, comparison, size, details."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QSlider, QWidget

from sdxl_desktop.ui.gallery.filter_bar import FilterBar
from sdxl_desktop.ui.gallery.picture_grid import DEFAULT_SIDE, MAX_SIDE, MIN_SIDE
from sdxl_desktop.ui.widgets.buttons import IconButton
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label, row

_SIDE_STEP = 16


class GalleryBar(QWidget):
    """Two rows: the controls, with the search field of `filters`, and the filters themselves."""

    back_requested = Signal()
    slide_show_requested = Signal()
    compare_requested = Signal()
    details_toggled = Signal(bool)
    side_changed = Signal(int)

    def __init__(self, filters: FilterBar) -> None:
        super().__init__()
        self.setObjectName("canvasBar")
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self.back_button = QPushButton("Back")
        self.back_button.setToolTip("Back to the canvas (Esc or Ctrl+G)")
        self.count_label = muted_label()
        self.count_label.setAccessibleName("Result count")
        self.slide_show_button = QPushButton("Slide show")
        self.slide_show_button.setToolTip("Show the pictures on the whole screen, from the current one on (F5)")
        self.compare_button = QPushButton("Compare")
        self.compare_button.setToolTip("Compare two to four selected pictures side by side (Ctrl+K)")
        self.size_slider = QSlider(Qt.Orientation.Horizontal)
        self.size_slider.setAccessibleName("Size of the thumbnails")
        self.size_slider.setToolTip("Size of the thumbnails (Ctrl++ and Ctrl+-)")
        self.size_slider.setRange(MIN_SIDE // _SIDE_STEP, MAX_SIDE // _SIDE_STEP)
        self.size_slider.setValue(DEFAULT_SIDE // _SIDE_STEP)
        self.size_slider.setFixedWidth(120)
        self.details_button = IconButton("details", "Details", "Show or hide the details (Ctrl+I)")
        self.details_button.setCheckable(True)
        self.details_button.setChecked(True)
        first = row(
            self.back_button,
            filters.search,
            self.count_label,
            self.compare_button,
            self.slide_show_button,
            self.size_slider,
            self.details_button,
        )
        first.setStretch(1, 1)
        self.setLayout(column(first, filters, margins=(12, 8, 12, 8)))
        self._connect()

    def _connect(self) -> None:
        self.back_button.clicked.connect(self.back_requested)
        self.slide_show_button.clicked.connect(self.slide_show_requested)
        self.compare_button.clicked.connect(self.compare_requested)
        self.details_button.toggled.connect(self.details_toggled)
        self.size_slider.valueChanged.connect(lambda value: self.side_changed.emit(value * _SIDE_STEP))

    @property
    def thumbnail_side(self) -> int:
        """The chosen side of a cell in logical pixels."""
        return self.size_slider.value() * _SIDE_STEP

    def set_layout(self, thumbnail_side: int, details_shown: bool) -> None:
        """Choose the size of the thumbnails and whether the details are shown, as at the last exit."""
        self.size_slider.setValue(round(max(MIN_SIDE, min(thumbnail_side, MAX_SIDE)) / _SIDE_STEP))
        self.details_button.setChecked(details_shown)

    def step_size(self, by: int) -> None:
        """Make the thumbnails larger (1) or smaller (-1)."""
        self.size_slider.setValue(self.size_slider.value() + 2 * by)
