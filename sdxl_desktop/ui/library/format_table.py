"""The choice of a weight format: one line for each, with what it costs, the suggested one marked."""

from __future__ import annotations

from collections.abc import Mapping

from sdxl_desktop.library.convert.forecast import Forecast
from sdxl_desktop.library.convert.weights import WeightFormat
from sdxl_desktop.ui.library import words
from sdxl_desktop.ui.library.cost_table import CostLine, CostTable

_ORDER = (None, WeightFormat.FP32, WeightFormat.FP16, WeightFormat.INT8, WeightFormat.INT4)


class FormatTable(CostTable[WeightFormat | None]):
    """Edits the weight format; the value None also means parts that are taken as they are."""

    def __init__(
        self,
        forecasts: Mapping[WeightFormat | None, Forecast],
        suggested: WeightFormat | None,
        *,
        memory: int,
        disk: int,
        as_it_is: str = words.READY_MADE,
    ) -> None:
        """`memory` and `disk` are the bytes that are free now. `as_it_is` says what becomes of it without a format. The
        suggested format is chosen, and so is the only one; else none."""
        formats = [weights for weights in _ORDER if weights in forecasts]
        super().__init__(
            [
                CostLine(
                    weights,
                    words.format_title(weights),
                    weights.label if weights is not None else as_it_is,
                    forecasts[weights],
                    suggested=weights is not None and weights == suggested,
                )
                for weights in formats
            ],
            memory=memory,
            disk=disk,
            heads=("Format", "Memory to convert"),
            suggestion="Fits this computer's memory",
        )
        first = suggested if suggested is not None or len(formats) != 1 else formats[0]
        if first in formats and (first is not None or len(formats) == 1):
            self.choose(first)
