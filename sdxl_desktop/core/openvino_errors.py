"""Exceptions that OpenVINO's functions raise."""

from __future__ import annotations

OPENVINO_ERRORS = (RuntimeError, UnicodeDecodeError)
"""OpenVINO's own errors, and the one raised in their place if a message quotes non-UTF-8 bytes of a damaged file."""


def openvino_message(problem: Exception) -> str:
    """Return the last line of OpenVINO's message; non-UTF-8 bytes are replaced."""
    error_text = problem.object.decode("utf-8", "replace") if isinstance(problem, UnicodeDecodeError) else str(problem)
    lines = [line for line in error_text.splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(problem).__name__
