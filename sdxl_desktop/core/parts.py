"""The parts of a checkpoint by folder name, and the files of an OpenVINO part."""

from __future__ import annotations

from enum import StrEnum


class Part(StrEnum):
    """A network of a pipeline; the value is its folder name and diffusers' name for it."""

    TEXT_ENCODER = "text_encoder"
    TEXT_ENCODER_2 = "text_encoder_2"
    UNET = "unet"
    VAE = "vae"
    """Encoder and decoder in one, in diffusers' layout; OpenVINO has one part for each."""
    VAE_ENCODER = "vae_encoder"
    VAE_DECODER = "vae_decoder"


ENCODERS = (Part.TEXT_ENCODER, Part.TEXT_ENCODER_2)
DIFFUSERS_PARTS = (*ENCODERS, Part.UNET, Part.VAE)
"""The parts of a folder in diffusers' layout, or of a single file."""
OPENVINO_PARTS = (*ENCODERS, Part.UNET, Part.VAE_ENCODER, Part.VAE_DECODER)
"""The parts of a folder of OpenVINO parts, in the order in which a run uses them."""
TOKENIZERS = {"tokenizer": Part.TEXT_ENCODER, "tokenizer_2": Part.TEXT_ENCODER_2}
"""The text encoder by its tokenizer's folder name."""

GRAPH = "openvino_model.xml"
WEIGHTS = "openvino_model.bin"
GRAPH_AND_WEIGHTS = "openvino_model.*"
"""Glob pattern for both files."""
