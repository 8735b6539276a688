"""Quantize a UNet's weights and activations with NNCF, calibrated with recorded inputs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nncf
import openvino as ov

from sdxl_desktop.library.convert import weight_compression
from sdxl_desktop.library.convert.memmap_buffer import MemmapBuffer
from sdxl_desktop.library.convert.weight_compression import WeightConstant
from sdxl_desktop.library.quantize.quantization_method import PartMethod
from sdxl_desktop.library.quantize.sample_recording import Sample, read_sample

_NO_SMOOTHING = -1.0
_MATRIX_OPS = ("MatMul", "Gather")


def passes_per_sample(part_method: PartMethod) -> int:
    """Return how often NNCF runs each sample: once for ranges and biases, and before that for SmoothQuant."""
    return 1 if part_method is PartMethod.HYBRID else 2


def quantize_with_activations(
    model: ov.Model,
    part_method: PartMethod,
    weights: list[WeightConstant],
    buffer: MemmapBuffer,
    samples: Sequence[Path],
    progress: Callable[[int], None],
) -> ov.Model:
    """Return `model` quantized with `part_method`; the contents of `buffer` must outlive it.

    HYBRID, as in optimum-intel: `weights` of matrices and embeddings are stored in 8 bits and computed as before;
    convolutions, with their inputs, compute in 8 bits. FULL: everything possible, after SmoothQuant has moved the
    outliers of activations into the weights (Xiao et al., arXiv 2211.10438). `progress` is called for each sample that
    runs through the network.
    """
    nncf.set_log_level(logging.ERROR)
    ignored: list[str] = []
    advanced = nncf.AdvancedQuantizationParameters()
    if part_method is PartMethod.HYBRID:
        matrices = [weight for weight in weights if _is_matrix_weight(weight)]
        ignored = [user.get_friendly_name() for weight in matrices for user in _consumers(weight)]
        weight_compression.compress_to_int8(model, matrices, buffer, lambda count: None)
        weights.clear()
        advanced.smooth_quant_alphas.matmul = _NO_SMOOTHING

    def load_sample(file: Path) -> Sample:
        progress(1)
        return read_sample(file)

    return nncf.quantize(
        model,
        nncf.Dataset(list(samples), load_sample),
        preset=nncf.QuantizationPreset.MIXED,
        subset_size=len(samples),
        model_type=nncf.ModelType.TRANSFORMER,
        ignored_scope=nncf.IgnoredScope(names=ignored) if ignored else None,
        advanced_parameters=advanced,
    )


def _consumers(weight: WeightConstant) -> list[Any]:
    return [used.get_node() for used in weight.convert_node.output(0).get_target_inputs()]


def _is_matrix_weight(weight: WeightConstant) -> bool:
    return all(user.get_type_name() in _MATRIX_OPS for user in _consumers(weight))
