"""Turns off what libraries would report about their use over the network: nothing leaves the machine unasked.

The package itself calls this when it is imported, so it holds in every process of the program before any library can be
loaded. What is set in the environment holds in the processes that libraries start, too.
"""

from __future__ import annotations

import os
import sys

OPT_OUT_VARIABLES = {
    "HF_HUB_DISABLE_TELEMETRY": "1",  # huggingface_hub, and through it diffusers and transformers
    "DO_NOT_TRACK": "1",  # the same, and whatever else follows https://consoledonottrack.com
    "NNCF_CI": "1",  # NNCF sends nothing, and reads this variable for nothing else
}
_OPTIONAL_REPORTERS = ("openvino_telemetry",)
"""Packages that only report. OpenVINO and NNCF do without one that is not installed; the only other switch is a file in
the person's home, which is not ours to write."""


def disable_telemetry() -> None:
    """Turn it off for this process and those that it starts. To be called before the libraries are imported."""
    os.environ.update(OPT_OUT_VARIABLES)
    for name in _OPTIONAL_REPORTERS:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # Python's way to say that it is not installed
