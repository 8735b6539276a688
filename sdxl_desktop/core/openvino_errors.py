"""What OpenVINO's functions raise when they fail."""

from __future__ import annotations

OPENVINO_ERRORS = (RuntimeError, UnicodeDecodeError)
"""Its own errors; and what comes in their place where a message quotes bytes of a damaged file that are no UTF-8."""


def openvino_message(problem: Exception) -> str:
    """The last line of what OpenVINO says of `problem`; a byte that is no UTF-8 becomes a mark."""
    said = problem.object.decode("utf-8", "replace") if isinstance(problem, UnicodeDecodeError) else str(problem)
    lines = [line for line in said.splitlines() if line.strip()]
    return lines[-1].strip() if lines else type(problem).__name__
