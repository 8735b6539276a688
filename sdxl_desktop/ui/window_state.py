"""The state of Qt windows and splitters as text, for the settings file."""

from __future__ import annotations

import base64

from PySide6.QtCore import QByteArray


def encode_state(state: QByteArray) -> str:
    return base64.b64encode(state.data()).decode()


def decode_state(text: str) -> QByteArray:
    """Decode the output of `encode_state`; empty for anything else, which Qt then ignores."""
    try:
        return QByteArray(base64.b64decode(text))
    except ValueError:
        return QByteArray()
