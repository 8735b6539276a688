"""The style sheet of the library dialog, in the palette's colours; it follows the theme."""

from __future__ import annotations

LIBRARY_STYLESHEET = """
QFrame#card { background: palette(base); border: 1px solid palette(midlight); border-radius: 8px; }
QFrame#card:hover { border-color: palette(mid); }
QFrame#notice { background: palette(button); border: 1px solid palette(mid); border-radius: 8px; }
QFrame#job { background: palette(base); border: 1px solid palette(midlight); border-radius: 8px; }
QListView#checkpointList { background: transparent; border: none; }
QScrollArea#plain, QWidget#plainContent { background: transparent; border: none; }
QRadioButton::indicator { border: 2px solid palette(mid); border-radius: 8px; width: 12px; height: 12px; }
QRadioButton::indicator:hover { border-color: palette(text); }
QRadioButton::indicator:checked {
    border: 5px solid palette(highlight); width: 6px; height: 6px; background: palette(base);
}
QRadioButton:focus { color: palette(link); }
QFrame#job QPushButton[role="link"], QFrame#notice QPushButton[role="link"] { padding: 0 2px; }
QLabel[tone="good"] { color: palette(link); }
QLabel[tone="bad"] { color: palette(bright-text); }
"""
