"""The theme: two sets of colours, their palette and style sheet, and the switch between them."""

from __future__ import annotations

from dataclasses import dataclass, fields

from PySide6.QtCore import QObject, Qt
from PySide6.QtGui import QColor, QFont, QFontDatabase, QPalette
from PySide6.QtWidgets import QApplication

from sdxl_desktop.core.paths import resources_folder
from sdxl_desktop.core.settings import Theme
from sdxl_desktop.ui.stylesheet import STYLESHEET_TEMPLATE

GRID = 8
"""Logical pixels between widgets; halves and multiples of it are used everywhere."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ThemeColours:
    """Every colour of a theme as "#rrggbb". Text on its background has WCAG AA contrast (4.5 to 1)."""

    mode: str
    window: str
    sunken: str
    field: str
    raised: str
    hover: str
    line: str
    outline: str
    text: str
    muted: str
    accent: str
    accent_hover: str
    on_accent: str
    accent_text: str
    danger: str
    danger_hover: str
    on_danger: str
    danger_text: str
    danger_background: str
    note_background: str


DARK = ThemeColours(
    mode="dark",
    window="#202124",
    sunken="#161719",
    field="#17181a",
    raised="#2d2f33",
    hover="#383b40",
    line="#34363b",
    outline="#53565d",
    text="#e9eaec",
    muted="#a4a8b0",
    accent="#45c4ae",
    accent_hover="#5fd3bf",
    on_accent="#04211c",
    accent_text="#62d2bf",
    danger="#c7393f",
    danger_hover="#b22f35",
    on_danger="#ffffff",
    danger_text="#ff9a9a",
    danger_background="#3b2326",
    note_background="#2d2f33",
)

LIGHT = ThemeColours(
    mode="light",
    window="#f5f5f6",
    sunken="#dfe0e3",
    field="#ffffff",
    raised="#e9eaec",
    hover="#dddfe3",
    line="#d9dadd",
    outline="#a9acb3",
    text="#1c1d20",
    muted="#5a5e67",
    accent="#0b7a6a",
    accent_hover="#086557",
    on_accent="#ffffff",
    accent_text="#08695b",
    danger="#c22f36",
    danger_hover="#a7252c",
    on_danger="#ffffff",
    danger_text="#a3161e",
    danger_background="#fbe6e6",
    note_background="#ffffff",
)


def use_bundled_font(app: QApplication) -> None:
    """Use Inter, which ships with the application, at the system's size; other scripts fall back to system fonts."""
    families: list[str] = []
    for file in sorted((resources_folder() / "fonts").glob("*.ttf")):
        families += QFontDatabase.applicationFontFamilies(QFontDatabase.addApplicationFont(str(file)))
    if families:
        font = QFont(families[0])
        font.setPointSizeF(app.font().pointSizeF())
        app.setFont(font)


def build_palette(colours: ThemeColours) -> QPalette:
    """Return the Qt palette of a theme; custom-painted widgets read their colours from it by role."""
    roles = {
        QPalette.ColorRole.Window: colours.window,
        QPalette.ColorRole.WindowText: colours.text,
        QPalette.ColorRole.Base: colours.field,
        QPalette.ColorRole.AlternateBase: colours.raised,
        QPalette.ColorRole.Text: colours.text,
        QPalette.ColorRole.Button: colours.raised,
        QPalette.ColorRole.ButtonText: colours.text,
        QPalette.ColorRole.BrightText: colours.danger_text,
        QPalette.ColorRole.PlaceholderText: colours.muted,
        QPalette.ColorRole.ToolTipBase: colours.raised,
        QPalette.ColorRole.ToolTipText: colours.text,
        QPalette.ColorRole.Highlight: colours.accent,
        QPalette.ColorRole.HighlightedText: colours.on_accent,
        QPalette.ColorRole.Accent: colours.accent,
        QPalette.ColorRole.Link: colours.accent_text,
        QPalette.ColorRole.Light: colours.hover,
        QPalette.ColorRole.Midlight: colours.line,
        QPalette.ColorRole.Mid: colours.outline,
        QPalette.ColorRole.Dark: colours.sunken,
        QPalette.ColorRole.Shadow: "#000000",
    }
    made = QPalette()
    for role, colour in roles.items():
        made.setColor(role, QColor(colour))
    muted = (QPalette.ColorRole.WindowText, QPalette.ColorRole.Text, QPalette.ColorRole.ButtonText)
    for role in muted:
        made.setColor(QPalette.ColorGroup.Disabled, role, QColor(colours.outline))
    return made


def build_stylesheet(colours: ThemeColours) -> str:
    """Return the style sheet of a theme: `@name` in the template becomes the colour of that name."""
    sheet = STYLESHEET_TEMPLATE
    for field in sorted(fields(colours), key=lambda field: -len(field.name)):
        sheet = sheet.replace(f"@{field.name}", getattr(colours, field.name))
    return sheet


class ThemeSwitch(QObject):
    """Applies the theme to the whole application, also when the system changes between light and dark."""

    def __init__(self, app: QApplication) -> None:
        super().__init__()
        self._app = app
        self._theme: Theme = "system"
        self._applied: ThemeColours | None = None
        app.setStyleSheet("")  # remove another switch's sheet
        app.styleHints().colorSchemeChanged.connect(self._update)

    def apply_theme(self, theme: Theme) -> None:
        """Apply `theme`; "system" follows the desktop from now on."""
        self._theme = theme
        schemes = {"light": Qt.ColorScheme.Light, "dark": Qt.ColorScheme.Dark}
        self._app.styleHints().setColorScheme(schemes.get(theme, Qt.ColorScheme.Unknown))
        self._update()

    @property
    def colours(self) -> ThemeColours:
        """The colours applied now."""
        return self._applied or LIGHT

    def _update(self) -> None:
        dark = self._theme == "dark" or (
            self._theme == "system" and self._app.styleHints().colorScheme() == Qt.ColorScheme.Dark
        )
        colours = DARK if dark else LIGHT
        if colours is self._applied:
            return
        self._applied = colours
        self._app.setPalette(build_palette(colours))
        self._app.setStyleSheet(build_stylesheet(colours))
