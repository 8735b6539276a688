"""The choice of a weight format: a row for each with its costs; the suggested one is marked."""

from __future__ import annotations

from collections.abc import Mapping

from sdxl_desktop.library.convert.resource_estimate import ResourceEstimate
from sdxl_desktop.library.convert.weight_format import WeightFormat
from sdxl_desktop.ui.library import library_formatting
from sdxl_desktop.ui.library.cost_table import CostRow, CostTable

_FORMAT_ORDER = (None, WeightFormat.FP32, WeightFormat.FP16, WeightFormat.INT8, WeightFormat.INT4)


class WeightFormatTable(CostTable[WeightFormat | None]):
    """Edits the weight format; None means that the components are stored without conversion."""

    def __init__(
        self,
        forecasts: Mapping[WeightFormat | None, ResourceEstimate],
        suggested: WeightFormat | None,
        *,
        memory: int,
        disk: int,
        unconverted_description: str = library_formatting.NOT_CONVERTED,
    ) -> None:
        """`memory` and `disk` are the free bytes. `unconverted_description` describes the choice without a format.
        Initially the suggested format, or the only one, is selected; otherwise none is."""
        formats = [weights for weights in _FORMAT_ORDER if weights in forecasts]
        super().__init__(
            [
                CostRow(
                    weights,
                    library_formatting.weight_format_title(weights),
                    weights.label if weights is not None else unconverted_description,
                    forecasts[weights],
                    suggested=weights is not None and weights == suggested,
                )
                for weights in formats
            ],
            memory=memory,
            disk=disk,
            headers=("Format", "Memory to convert"),
            suggestion="Fits this computer's memory",
        )
        first = suggested if suggested is not None or len(formats) != 1 else formats[0]
        if first in formats and (first is not None or len(formats) == 1):
            self.select(first)
