"""The parts of a checkpoint by the names of their folders, and the files that an OpenVINO part is made of."""

from __future__ import annotations

from enum import StrEnum


class Part(StrEnum):
    """A network of a pipeline; the value is the name of its folder, and what diffusers calls it."""

    TEXT_ENCODER = "text_encoder"
    TEXT_ENCODER_2 = "text_encoder_2"
    UNET = "unet"
    VAE = "vae"
    """Both halves as one, in diffusers' layout; OpenVINO has a part for each half."""
    VAE_ENCODER = "vae_encoder"
    VAE_DECODER = "vae_decoder"


ENCODERS = (Part.TEXT_ENCODER, Part.TEXT_ENCODER_2)
DIFFUSERS_PARTS = (*ENCODERS, Part.UNET, Part.VAE)
"""Those of a folder in diffusers' layout, or of a single file."""
OPENVINO_PARTS = (*ENCODERS, Part.UNET, Part.VAE_ENCODER, Part.VAE_DECODER)
"""Those of a folder of OpenVINO parts, in the order in which a run needs them."""
TOKENIZERS = {"tokenizer": Part.TEXT_ENCODER, "tokenizer_2": Part.TEXT_ENCODER_2}
"""The text encoder by the name of the folder of its tokenizer."""

GRAPH = "openvino_model.xml"
WEIGHTS = "openvino_model.bin"
GRAPH_AND_WEIGHTS = "openvino_model.*"
"""Both, as a pattern."""
