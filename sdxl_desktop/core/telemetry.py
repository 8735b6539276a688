"""Disables the telemetry of libraries: nothing leaves the machine unasked.

The package calls this on import, so it applies in every process of the program before any library is loaded.
Environment variables also apply to the processes that libraries start.
"""

from __future__ import annotations

import os
import sys

OPT_OUT_VARIABLES = {
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, and through it diffusers and transformers
    "DO_NOT_TRACK": "1",  # the same, and all others that follow https://consoledonottrack.com
    "NNCF_CI": "1",  # NNCF sends nothing, and reads this variable for nothing else
}
_OPTIONAL_REPORTERS = ("openvino_telemetry",)
"""Packages that only report. OpenVINO and NNCF work without them; the only other switch is a file in the user's home
folder, which this application must not write."""


def disable_telemetry() -> None:
    """Disable it for this process and its children. Call this before the libraries are imported."""
    os.environ.update(OPT_OUT_VARIABLES)
    for name in _OPTIONAL_REPORTERS:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None makes the import fail as if it were not installed
