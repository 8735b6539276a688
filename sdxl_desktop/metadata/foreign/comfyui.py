"""Reads how a picture was made from ComfyUI's graph, by following it from the node that saved the picture."""

from __future__ import annotations

from typing import Any

from sdxl_desktop.core.untrusted_files import UntrustedFileError, parse_json
from sdxl_desktop.metadata.foreign.comfyui_graph import Graph, Node
from sdxl_desktop.metadata.foreign.prompt_syntax import from_comfyui
from sdxl_desktop.metadata.foreign.record import ForeignRecord
from sdxl_desktop.metadata.foreign.record_builder import RecordBuilder, as_number

_PROGRAM = "ComfyUI"
_MAX_STAGES = 20
_SAMPLERS = frozenset({"KSampler", "KSamplerAdvanced", "SamplerCustom", "SamplerCustomAdvanced"})
_IMAGE_LINKS = frozenset({"images", "image", "samples", "pixels", "latent", "latent_image", "upscale_model", "image1"})
_LATENT_LINKS = frozenset({"samples", "latent_image", "latent", "latents", "pixels", "image", "images"})
_MODEL_LINKS = frozenset({"model", "base_model", "lora_stack", "model1", "basic_pipe", "clip"})
_CONDITIONING_LINKS = frozenset({
    "conditioning", "conditioning_1", "conditioning_2", "conditioning_to", "conditioning_from", "positive", "negative",
})  # fmt: skip
_EMPTY = ("EmptyLatentImage", "EmptySD3LatentImage", "SDXLEmptyLatentSizePicker+", "EmptyLatentImagePresets")
_ENCODERS = ("VAEEncode", "VAEEncodeForInpaint", "VAEEncodeTiled", "InpaintModelConditioning")
_KNOWN = frozenset({
    *_SAMPLERS, *_EMPTY, *_ENCODERS, "VAEDecode", "VAEDecodeTiled", "CheckpointLoaderSimple", "CheckpointLoader",
    "LoraLoader", "LoraLoaderModelOnly", "CLIPTextEncode", "CLIPTextEncodeSDXL", "CLIPTextEncodeSDXLRefiner",
    "CLIPSetLastLayer", "VAELoader", "SaveImage", "PreviewImage", "LoadImage", "KSamplerSelect", "BasicScheduler",
    "RandomNoise", "CFGGuider", "BasicGuider", "RescaleCFG", "Reroute", "PrimitiveNode", "Note", "UNETLoader",
    "LoadImageMask", "ImageScale", "RepeatLatentBatch",
})  # fmt: skip
_RESIZED = ("LatentUpscale", "LatentUpscaleBy", "ImageUpscaleWithModel", "ImageScaleBy", "UltimateSDUpscale")


def read_comfyui(prompt: str, workflow: str = "") -> ForeignRecord | None:
    """Return what the texts `prompt` (the graph) and `workflow` (the editor's layout) say; None if they are something
    else."""
    try:
        graph = Graph(parse_json(prompt, nan_is_null=True))
    except (UntrustedFileError, ValueError):
        return _only_layout(workflow)
    builder = RecordBuilder(_PROGRAM)
    stages = _stages(graph)
    if not stages:
        builder.note("A graph without a sampler that is known here")
        return builder.build()
    _GraphReader(graph, builder).read(stages)
    return builder.build()


def _only_layout(workflow: str) -> ForeignRecord | None:
    try:
        content = parse_json(workflow, nan_is_null=True) if workflow else None
    except UntrustedFileError:
        return None
    if not isinstance(content, dict) or not isinstance(content.get("nodes"), list):
        return None
    builder = RecordBuilder(_PROGRAM)
    builder.note("Only the editor's layout is in the file, without the graph that was run")
    return builder.build()


def _stages(graph: Graph) -> list[Node]:
    """Return the samplers that lead to the saved picture, the first to run first."""
    savers = [node for node in graph.nodes.values() if node.kind == "SaveImage"] or [
        node for node in graph.nodes.values() if "images" in node.inputs or node.kind.startswith(("Save", "Preview"))
    ]
    chains = []
    for saver in savers[:20]:
        chain = [node for node in graph.upstream(saver, through=_IMAGE_LINKS) if _is_sampler(node)]
        chains.append(chain[:_MAX_STAGES][::-1])
    longest = max(chains, key=len, default=[])
    return longest or [node for node in graph.nodes.values() if _is_sampler(node)][:1]


def _is_sampler(node: Node) -> bool:
    return node.kind in _SAMPLERS or {"sampler_name", "steps", "cfg", "latent_image"} <= set(node.inputs)


class _GraphReader:
    def __init__(self, graph: Graph, builder: RecordBuilder) -> None:
        self._graph, self._builder = graph, builder

    def read(self, stages: list[Node]) -> None:
        first, builder = stages[0], self._builder
        self._read_sampler(first)
        self._read_start(first)
        self._read_model(self._model_of(first))
        self._read_prompts(first)
        for stage in stages[1:]:
            self._read_later_stage(first, stage)
        for node in self._graph.upstream(stages[-1]):
            if node.kind not in _KNOWN and not _is_sampler(node) and node.kind not in _RESIZED and _does_work(node):
                builder.note(f"The node {node.kind}")
        for node in self._graph.nodes.values():
            if node.kind in _RESIZED:
                name = self._graph.value(node, "upscale_method", "scale_by", "width")
                builder.note(f"Upscaling by {node.kind}{f' ({name})' if name is not None else ''}")

    # samplers

    def _parts(self, stage: Node) -> dict[str, Any]:
        """Return steps, guidance, names, seed and strength of a sampler, wherever its graph holds them."""
        value, linked = self._graph.value, self._graph.linked
        guider, sigmas = linked(stage, "guider"), linked(stage, "sigmas")
        noise, chosen = linked(stage, "noise"), linked(stage, "sampler")
        return {
            "seed": value(noise, "noise_seed", "seed") if noise else value(stage, "seed", "noise_seed"),
            "steps": value(sigmas, "steps") if sigmas else value(stage, "steps"),
            "cfg": value(guider, "cfg") if guider else value(stage, "cfg"),
            "sampler": value(chosen, "sampler_name") if chosen else value(stage, "sampler_name"),
            "schedule": value(sigmas, "scheduler") if sigmas else value(stage, "scheduler"),
            "denoise": value(sigmas, "denoise") if sigmas else value(stage, "denoise"),
        }

    def _read_sampler(self, stage: Node) -> None:
        parts, builder = self._parts(stage), self._builder
        builder.number("seed", parts["seed"])
        builder.number("steps", parts["steps"])
        builder.number("guidance_scale", parts["cfg"])
        builder.sampler(parts["sampler"], parts["schedule"])

    def _read_start(self, stage: Node) -> None:
        """Read where the first sampler begins: an empty picture of a size, or a picture that it changes."""
        graph, builder = self._graph, self._builder
        for node in graph.upstream(graph.linked(stage, "latent_image", "latent"), through=_LATENT_LINKS):
            if {"width", "height"} <= set(node.inputs) and node.kind not in _RESIZED and "image" not in node.inputs:
                builder.size(graph.value(node, "width"), graph.value(node, "height"))
                return
            if node.kind in _ENCODERS or node.kind == "LoadImage":
                strength = self._parts(stage)["denoise"]
                start, steps = (as_number(graph.value(stage, name)) for name in ("start_at_step", "steps"))
                if strength is None and start is not None and steps:
                    strength = 1 - min(start, steps) / steps
                builder.strength(1.0 if strength is None else strength)
                if node.kind in ("VAEEncodeForInpaint", "InpaintModelConditioning"):
                    builder.note("The mask of the picture that was changed")
                return

    def _read_later_stage(self, first: Node, stage: Node) -> None:
        graph, parts = self._graph, self._parts(stage)
        model, own = self._checkpoint_node(self._model_of(stage)), self._checkpoint_node(self._model_of(first))
        start, steps = as_number(graph.value(stage, "start_at_step")), as_number(parts["steps"])
        continues = graph.value(stage, "add_noise") == "disable"
        if continues and model is not None and own is not None and model.id != own.id and start and steps:
            self._builder.refiner(self._checkpoint_name(model), handoff=start / steps)
            self._read_scores(stage)
        elif continues and model is own:
            return  # one schedule in two nodes
        else:
            description = (
                f"{_words(parts['steps'])} steps of {_words(parts['sampler'])}, strength {_words(parts['denoise'])}"
            )
            self._builder.note(f"A second pass over the picture: {description}")

    def _read_scores(self, stage: Node) -> None:
        for field, name in (("aesthetic_score", "positive"), ("negative_aesthetic_score", "negative")):
            node = self._graph.linked(stage, name)
            if node is not None:
                self._builder.number(field, self._graph.value(node, "ascore"))

    # models

    def _model_of(self, stage: Node) -> Node | None:
        guider = self._graph.linked(stage, "guider")
        return self._graph.linked(guider if guider is not None else stage, "model")

    def _checkpoint_node(self, start: Node | None) -> Node | None:
        names = ("ckpt_name", "unet_name")
        nodes = self._graph.upstream(start, through=_MODEL_LINKS)
        return next((node for node in nodes if self._graph.value(node, *names) is not None), None)

    def _checkpoint_name(self, node: Node) -> Any:
        return self._graph.value(node, "ckpt_name", "unet_name")

    def _read_model(self, start: Node | None) -> None:
        graph, builder = self._graph, self._builder
        if (loader := self._checkpoint_node(start)) is not None:
            builder.checkpoint(self._checkpoint_name(loader))
        chain = list(graph.upstream(start, through=_MODEL_LINKS))
        for node in reversed(chain):
            name = graph.value(node, "lora_name")
            if name is not None:
                weight, clip = graph.value(node, "strength_model"), graph.value(node, "strength_clip")
                builder.lora(name, 1.0 if weight is None else weight)
                if clip is not None and clip != weight:
                    builder.note(f"Another weight for the text encoders of the LoRA {name}: {_words(clip)}")
            if node.kind == "RescaleCFG":
                builder.number("guidance_rescale", graph.value(node, "multiplier"))
        for node in graph.nodes.values():
            if node.kind == "VAELoader":
                builder.vae(graph.value(node, "vae_name"))

    # prompts

    def _read_prompts(self, stage: Node) -> None:
        guider = self._graph.linked(stage, "guider")
        owner = guider if guider is not None else stage
        self._read_prompt(self._graph.linked(owner, "positive", "conditioning"), "prompt")
        self._read_prompt(self._graph.linked(owner, "negative"), "negative_prompt")

    def _read_prompt(self, start: Node | None, field: str) -> None:
        """Read the words of the nearest encoder; further ones that are combined with it are listed."""
        graph, found = self._graph, False
        for node in graph.upstream(start, through=_CONDITIONING_LINKS):
            first, second = graph.value(node, "text", "text_l"), graph.value(node, "text_g")
            if not isinstance(first, str) and not isinstance(second, str):
                continue
            if found:
                self._builder.note(f"Further words, combined in the graph: {first or second}")
                continue
            found = True
            first = second if not isinstance(first, str) else first
            self._text(field, first)
            if isinstance(second, str) and second != first:
                self._text(f"{field}_2", second)
            self._read_conditioning(node, field)
            clip = graph.linked(node, "clip")
            layers = (one for one in graph.upstream(clip, through=_MODEL_LINKS) if one.kind == "CLIPSetLastLayer")
            for layer in layers:
                self._read_clip_skip(graph.value(layer, "stop_at_clip_layer"))

    def _text(self, field: str, text: str) -> None:
        read = from_comfyui(text)
        self._builder.text(field, read.text)
        for name in read.embeddings:
            self._builder.embedding(name)

    def _read_clip_skip(self, layer: object) -> None:
        number = as_number(layer)
        if number is not None and number <= -2:
            self._builder.number("clip_skip", -number - 2)
        elif number is not None:
            self._builder.note_value("stop_at_clip_layer", layer)

    def _read_conditioning(self, node: Node, field: str) -> None:
        """Read the sizes of a CLIPTextEncodeSDXL node."""
        value, builder = self._graph.value, self._builder
        if node.kind != "CLIPTextEncodeSDXL":
            return
        width, height = value(node, "width"), value(node, "height")
        if field == "prompt":
            builder.conditioning_size("original_size", width, height)
            builder.conditioning_size("target_size", value(node, "target_width"), value(node, "target_height"))
            if value(node, "crop_w") or value(node, "crop_h"):
                builder.crop(value(node, "crop_w"), value(node, "crop_h"))
        elif (as_number(width), as_number(height)) != _sides(builder.get("original_size")):
            builder.conditioning_size("negative_original_size", width, height)


def _sides(size: Any) -> tuple[int, int] | None:
    return None if size is None else (size.width, size.height)


def _does_work(node: Node) -> bool:
    """Whether a node does more than hold a value."""
    return any(isinstance(value, list) for value in node.inputs.values())


def _words(value: object) -> str:
    """Return a value for a sentence."""
    return "?" if value is None else str(value)
