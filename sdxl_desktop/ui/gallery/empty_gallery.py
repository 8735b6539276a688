"""What the gallery shows where no picture is: why, and what to do."""

from __future__ import annotations

from PySide6.QtCore import Qt, Signal
from PySide6.QtWidgets import QPushButton, QWidget

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.ui.widgets.buttons import with_role
from sdxl_desktop.ui.widgets.layout_helpers import column, muted_label
from sdxl_desktop.ui.widgets.plain_text import PlainTextLabel


class EmptyGallery(QWidget):
    """One message with at most one button, which emits the signal for what it offers."""

    draw_requested = Signal()
    clear_requested = Signal()
    retry_requested = Signal()

    def __init__(self) -> None:
        super().__init__()
        self.setObjectName("galleryPage")
        self.setFocusPolicy(Qt.FocusPolicy.ClickFocus)
        self.setAttribute(Qt.WidgetAttribute.WA_StyledBackground)
        self._title = PlainTextLabel()
        self._title.setProperty("role", "title")
        self._title.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self._text = muted_label("", wrap=True)
        self._text.setAlignment(Qt.AlignmentFlag.AlignCenter)
        self.button = with_role(QPushButton(), "primary")
        self._clicked = self.draw_requested
        self.button.clicked.connect(lambda: self._clicked.emit())
        inside = column(self._title, self._text, self.button, spacing=12)
        inside.setAlignment(self.button, Qt.AlignmentFlag.AlignHCenter)
        whole = column(inside, margins=(48, 0, 48, 0))
        whole.insertStretch(0, 1)
        whole.addStretch(1)
        self.setLayout(whole)

    def take_focus(self) -> None:
        """Give the focus to the button, or while there is none, to the message."""
        (self.button if self.button.isVisibleTo(self) else self).setFocus()

    def show_reading(self) -> None:
        """Show that the history is being read."""
        self._show("Reading the pictures…", "", "")

    def show_no_pictures(self) -> None:
        """Show that there is no picture at all."""
        self._clicked = self.draw_requested
        self._show(
            "No pictures yet",
            "Every picture that you draw is kept here, with all its settings, until you delete it.",
            "Draw one",
        )

    def show_no_match(self) -> None:
        """Show that search and filters leave no picture."""
        self._clicked = self.clear_requested
        self._show(
            "Nothing matches",
            "No picture has all that the search and the filters ask for.",
            "Clear search and filters",
        )

    def show_error(self, error: SdxlDesktopError) -> None:
        """Show that the history cannot be read."""
        self._clicked = self.retry_requested
        self._show(error.what, f"{error.why} {error.next_step}".strip(), "Try again")

    def _show(self, title: str, text: str, button: str) -> None:
        self._title.setText(title)
        self._text.setText(text)
        self._text.setVisible(bool(text))
        self.button.setText(button)
        self.button.setVisible(bool(button))
