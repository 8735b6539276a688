"""Decodes large pictures in strips, within a budget of memory, to the same pixels as the whole VAE decoder gives."""

from sdxl_desktop.engine.openvino.tiling.tiled_decoder import TiledDecoder

__all__ = ["TiledDecoder"]
