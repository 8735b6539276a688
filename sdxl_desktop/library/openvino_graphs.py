"""Read the graph of an OpenVINO part for conversion; errors name the part."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sdxl_desktop.core.openvino_errors import OPENVINO_ERRORS, openvino_message
from sdxl_desktop.core.parts import GRAPH
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.formats.format_errors import DamagedFileError

if TYPE_CHECKING:
    import openvino as ov


def read_graph(part: Path) -> ov.Model:
    """Return the model in the folder `part` with memory-mapped weights; raises DamagedFileError if OpenVINO cannot read
    it."""
    import openvino as ov

    try:
        return ov.Core().read_model(part / GRAPH)
    except OPENVINO_ERRORS as problem:
        raise DamagedFileError(
            f"The {part.name.replace('_', ' ')} of {display_text(part.parent.name, 80)} is damaged, or cut short.",
            why=f"OpenVINO says: {display_text(openvino_message(problem)).rstrip('.')}.",
            next_step="Copy or export the checkpoint again.",
        ) from problem
