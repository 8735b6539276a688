"""SDXL Desktop: make and edit pictures with Stable Diffusion XL on this computer, through OpenVINO."""

from sdxl_desktop.core import telemetry

__version__ = "0.1.0"

telemetry.disable_telemetry()
