"""The tools and their settings."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum

from sdxl_desktop.session.document.brush import MAX_SIZE, Brush
from sdxl_desktop.session.document.document import Combine
from sdxl_desktop.ui.painting.mask_layer import OverlayStyle

MAX_TOLERANCE = 255


class ToolKind(StrEnum):
    """A tool, with the key that selects it. The hand only pans the picture or drags it out of the window; the frame
    drags its edges outwards."""

    HAND = "hand"
    BRUSH = "brush"
    ERASER = "eraser"
    RECTANGLE = "rectangle"
    ELLIPSE = "ellipse"
    LASSO = "lasso"
    COLOUR = "colour"
    FRAME = "frame"

    @property
    def key(self) -> str:
        return _SHORTCUT_KEYS[self]

    @property
    def label(self) -> str:
        return _LABELS[self]

    @property
    def paints(self) -> bool:
        """Return whether the tool has a size, hardness and opacity."""
        return self in (ToolKind.BRUSH, ToolKind.ERASER)

    @property
    def masks(self) -> bool:
        """Return whether the tool changes the mask."""
        return self.paints or self.selects

    @property
    def selects(self) -> bool:
        """Return whether the tool adds to the mask or subtracts from it, depending on its setting."""
        return self in (ToolKind.RECTANGLE, ToolKind.ELLIPSE, ToolKind.LASSO, ToolKind.COLOUR)


_SHORTCUT_KEYS = {
    ToolKind.HAND: "V",
    ToolKind.BRUSH: "B",
    ToolKind.ERASER: "E",
    ToolKind.RECTANGLE: "R",
    ToolKind.ELLIPSE: "O",
    ToolKind.LASSO: "L",
    ToolKind.COLOUR: "W",
    ToolKind.FRAME: "F",
}
_LABELS = {
    ToolKind.HAND: "Hand",
    ToolKind.BRUSH: "Brush",
    ToolKind.ERASER: "Eraser",
    ToolKind.RECTANGLE: "Rectangle",
    ToolKind.ELLIPSE: "Ellipse",
    ToolKind.LASSO: "Lasso",
    ToolKind.COLOUR: "Select by colour",
    ToolKind.FRAME: "Frame",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSettings:
    """`size` in picture pixels, `hardness` in [0, 1], `opacity` in (0, 1]; `tolerance` in [0, 255] per channel,
    `contiguous`: only connected pixels; `subtract`: shapes and colours are removed from the mask; `overlay`: the mask
    is shown in `overlay_style`."""

    tool: ToolKind = ToolKind.HAND
    size: int = 64
    hardness: float = 0.8
    opacity: float = 1.0
    tolerance: int = 24
    contiguous: bool = True
    subtract: bool = False
    overlay: bool = True
    overlay_style: OverlayStyle = field(default_factory=OverlayStyle)

    def brush(self, *, erase: bool) -> Brush:
        return Brush(size=min(float(self.size), MAX_SIZE), hardness=self.hardness, opacity=self.opacity, erase=erase)

    def combine(self, *, flipped: bool) -> Combine:
        return "subtract" if self.subtract != flipped else "add"
