"""Untrusted text is shown on one line, shortened."""

from __future__ import annotations

import pytest

from sdxl_desktop.core.untrusted_text import MAX_DISPLAY_LENGTH, display_text


@pytest.mark.parametrize("text", ["", "a", "a\nb", "x" * 200, "x" * 201, "x" * 100_000, "\n" * 5000, "é" * 500])
def test_text_is_shown_on_one_line(text: str) -> None:
    short = display_text(text)
    assert len(short) <= MAX_DISPLAY_LENGTH
    assert "\n" not in short
    assert short == text or len(text) > MAX_DISPLAY_LENGTH or "\n" in text
