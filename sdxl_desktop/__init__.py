"""SDXL Desktop: make and edit pictures with Stable Diffusion XL on this computer, through OpenVINO."""

__version__ = "0.1.0"
