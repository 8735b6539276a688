"""Trace a torch module into an OpenVINO graph whose constants are the module's own memory-mapped weights.

Follows optimum-intel, with its input and output names, and with three differences: tracing uses tiny latents,
half-precision weights are widened in the graph only, and the UNet takes its timestep as f32 and a context of any
length, which schedulers with fractional timesteps and long prompts need.
"""

from __future__ import annotations

import functools
import inspect
import warnings
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import openvino as ov
import torch

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import optimum.exporters.openvino  # noqa: F401  (registers the export configurations)
    from openvino.frontend.pytorch import patch_model as patching
    from openvino.frontend.pytorch.ts_decoder import TorchScriptPythonDecoder
    from optimum.exporters.openvino.utils import _get_input_info, remove_none_from_dummy_inputs
    from optimum.exporters.tasks import TasksManager

from sdxl_desktop.core.parts import Part
from sdxl_desktop.formats.detected_model import DetectedPart

OPENVINO_PARTS: Mapping[str, tuple[Part, ...]] = {
    Part.TEXT_ENCODER: (Part.TEXT_ENCODER,),
    Part.TEXT_ENCODER_2: (Part.TEXT_ENCODER_2,),
    Part.UNET: (Part.UNET,),
    Part.VAE: (Part.VAE_ENCODER, Part.VAE_DECODER),
}
"""The OpenVINO parts made from each torch part."""

_TASKS: Mapping[str, tuple[str, str]] = {
    Part.TEXT_ENCODER: ("clip-text", "feature-extraction"),
    Part.TEXT_ENCODER_2: ("clip-text-with-projection", "feature-extraction"),
    Part.UNET: ("unet", "semantic-segmentation"),
    Part.VAE_ENCODER: ("vae-encoder", "semantic-segmentation"),
    Part.VAE_DECODER: ("vae-decoder", "semantic-segmentation"),
}
_TRACE_LATENT_SIDE = 8
_UPCAST_RT_INFO = {"ACTIVATIONS_SCALE_FACTOR": "128.0"}
"""optimum-intel writes this for a VAE that overflows in f16: activations are divided by it if inference is in f16."""
_ORIGINAL_FORWARD = "_before_tracing"


def trace_part(
    openvino_part: str, part: DetectedPart, module: Any, *, requires_aesthetics_score: bool, pooled_width: int
) -> ov.Model:
    """Return the OpenVINO part `openvino_part` ("vae_decoder") of `module`, which was made from `part`.

    `requires_aesthetics_score`: an aesthetic score replaces the target size (refiners); `pooled_width` is the width of
    the second text encoder's projection.
    """
    _prepare_for_export(openvino_part, module)
    settings = _export_config(
        openvino_part, part, requires_aesthetics_score=requires_aesthetics_score, pooled_width=pooled_width
    )
    model_type, task = _TASKS[openvino_part]
    constructor = TasksManager.get_exporter_config_constructor(
        model=module, exporter="openvino", library_name="diffusers", task=task, model_type=model_type
    )
    export = constructor(settings, int_dtype="int64", float_dtype="fp32")
    model = _convert_module(module, export)
    if openvino_part.startswith(Part.VAE) and part.config.get("force_upcast", True):
        for key, value in _UPCAST_RT_INFO.items():
            model.set_rt_info(value, ["runtime_options", key])
    return model


def _export_config(
    openvino_part: str, part: DetectedPart, *, requires_aesthetics_score: bool, pooled_width: int
) -> SimpleNamespace:
    """Return the part's configuration in the form from which optimum-intel chooses inputs, with tiny latents."""
    settings = {key: value for key, value in part.config.items() if not key.startswith("_")}
    if openvino_part.startswith(Part.TEXT_ENCODER):
        settings["output_hidden_states"] = True
    else:
        side = (
            _TRACE_LATENT_SIDE * 2 ** (len(settings["block_out_channels"]) - 1)
            if openvino_part == Part.VAE_ENCODER
            else _TRACE_LATENT_SIDE
        )
        settings["sample_size"] = side
    if openvino_part == Part.UNET:
        settings |= {
            "requires_aesthetics_score": requires_aesthetics_score,
            "text_encoder_projection_dim": pooled_width,
            "time_cond_proj_dim": settings.get("time_cond_proj_dim"),
        }
    return SimpleNamespace(**settings)


def _prepare_for_export(openvino_part: str, module: Any) -> None:
    """Prepare `module` as optimum-intel prepares a pipeline's modules for export."""
    if openvino_part.startswith(Part.TEXT_ENCODER):
        for owner in (module, getattr(module, "text_model", None)):
            if owner is not None and hasattr(owner, "config"):
                owner.config.output_hidden_states = True
    elif openvino_part == Part.VAE_ENCODER:
        module.forward = lambda sample: {"latent_parameters": module.encode(x=sample)["latent_dist"].parameters}
    elif openvino_part == Part.VAE_DECODER:
        module.forward = lambda latent_sample: module.decode(z=latent_sample)


def _convert_module(module: Any, export_config: Any) -> ov.Model:
    with torch.no_grad():
        if hasattr(module, "config") and hasattr(module.config, "return_dict"):
            module.config.return_dict = True
        samples = export_config.rename_ambiguous_inputs(export_config.generate_dummy_inputs(framework="pt"))
        if "latent_sample" in samples:  # optimum-intel always uses 64 x 64 here, which takes half a minute
            samples["latent_sample"] = samples["latent_sample"][
                ..., :_TRACE_LATENT_SIDE, :_TRACE_LATENT_SIDE
            ].contiguous()
        if "timestep" in samples:
            samples["timestep"] = samples["timestep"].to(torch.float32)
        samples, grouped = remove_none_from_dummy_inputs(samples)
        patcher = export_config.patch_model_for_export(module, model_kwargs=None)
        patcher.patched_forward = _flat_forward(patcher, list(samples), grouped)
        with patcher:
            inputs = _get_input_info(module, export_config, samples)
            _patch_half_weights(module)
            try:
                decoder = TorchScriptPythonDecoder(module, example_input=samples, trace_kwargs={"check_trace": False})
                model = ov.convert_model(
                    decoder, example_input=samples, input=[(found.shape, found.type) for found in inputs]
                )
            finally:
                _unpatch_half_weights(module)
    for port, name in zip(model.outputs, export_config.outputs, strict=False):
        port.get_tensor().set_names({name})
    for port, found in zip(model.inputs, inputs, strict=True):
        port.get_tensor().set_names({found.name})
    model.validate_nodes_and_infer_types()
    return model


def _flat_forward(patcher: Any, names: list[str], grouped: list[tuple[str, list[str]]]) -> Any:
    """Return a `patched_forward` that takes only tensors and returns a tuple, as TorchScript requires."""
    patched = patcher.patched_forward
    order = [name for name in inspect.signature(patcher.orig_forward).parameters if name in names]

    @functools.wraps(patched)
    def forward(*arguments: Any, **named: Any) -> tuple[Any, ...]:
        named.update(zip(order, arguments, strict=False))
        for name, keys in grouped:
            named[name] = dict(zip(keys, named[name], strict=True))
        return tuple(tuple(value) if isinstance(value, list) else value for value in patched(**named).values())

    return forward


def _patch_half_weights(module: Any) -> None:
    """Widen half-precision weights in the graph, one by one at run time, instead of all at once here.

    OpenVINO's own patches do this for linear layers and embeddings, and skip their arithmetic while tracing. They would
    copy convolutions in f32; this patch adds the widening to the trace.
    """
    extensions, narrow = patching._get_16bit_extensions()
    patching._patch_torch_functions()
    for name, layer in module.named_modules():
        if isinstance(layer, torch.nn.Conv2d):
            if layer.weight.dtype not in narrow:
                continue
            setattr(layer, _ORIGINAL_FORWARD, layer.forward)
            setattr(layer, "forward", functools.partial(_upcast_convolution, layer))  # noqa: B010 (a method, says mypy)
        elif layer.__class__ in extensions:
            patching._stash_weights_as_fp32_placeholders(layer, narrow)
            patching.module_patcher(layer, name, _ORIGINAL_FORWARD, extensions)
        else:
            for parameter in layer.parameters(recurse=False):
                if parameter.dtype in narrow:
                    parameter.data = parameter.data.float()  # norms: a few values per channel


def _upcast_convolution(layer: Any, sample: torch.Tensor) -> torch.Tensor:
    bias = None if layer.bias is None else layer.bias.to(torch.float32)
    convolved: torch.Tensor = layer._conv_forward(sample, layer.weight.to(torch.float32), bias)
    return convolved


def _unpatch_half_weights(module: Any) -> None:
    """Undo `_patch_half_weights`, so that a VAE can be traced a second time."""
    patching.unpatch_model(module, _ORIGINAL_FORWARD)
