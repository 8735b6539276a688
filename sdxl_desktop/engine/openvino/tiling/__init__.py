"""Decodes large pictures in strips, within a memory budget, to the same pixels as the whole VAE decoder."""

from sdxl_desktop.engine.openvino.tiling.tiled_decoder import TiledDecoder

__all__ = ["TiledDecoder"]
