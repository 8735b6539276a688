"""Pictures with records as other programs write them, made from the documented formats."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image, PngImagePlugin

from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.schedulers import SchedulerName
from sdxl_desktop.metadata.foreign.record import ForeignLora, ForeignRefiner, ModelReference

PICTURE = Image.new("RGB", (16, 8), "red")
Writer = Callable[[Path], None]

A1111 = (
    "a (red fox:1.2) in <lora:snow-style:0.7>, “snow” ♥\nsecond line\nNegative prompt: blurry, [grey]\n"
    "Steps: 25, Sampler: DPM++ 2M, Schedule type: Karras, CFG scale: 6.5, Seed: 4294967295, Size: 832x1216, "
    "Model hash: 31e35c80fc, Model: sd_xl_base_1.0, VAE hash: 235745af8d, VAE: sdxl_vae.safetensors, Clip skip: 3, "
    'ADetailer model: "face_yolov8n.pt, other", Lora hashes: "snow-style: 7c6bad76eb54", '
    "Refiner: sd_xl_refiner_1.0 [7440042bbd], Refiner switch at: 0.8, Version: v1.10.1"
)
FORGE = (
    "a fox\nSteps: 20, Sampler: Euler a, Schedule type: Automatic, CFG scale: 7, Seed: 7, Size: 1024x1024, "
    "Model hash: e6bb9ea85b, Model: juggernautXL, Denoising strength: 0.4, Hires upscale: 1.5, Hires upscaler: Latent, "
    "Version: f2.0.1v1.10.1-previous-1-gabc"
)
SDNEXT = (
    "a fox\nNegative prompt: bad\nSteps: 12, Size: 1024x768, Sampler: UniPC, Seed: 99, CFG scale: 4, Clip skip: 2, "
    "App: SD.Next, Version: 2f2a4e4, Model: base, Denoising strength: 0.35"
)
KRITA = (
    "a castle <lora:ink:0.5>\nNegative prompt: photo\nSteps: 20, Sampler: Default - DPM++ 2M, CFG scale: 5.0, "
    "Seed: 11, Size: 1216x832, Model hash: unknown, Model: dreamshaperXL.safetensors, Denoising strength: 0.6"
)
COMFYUI: Mapping[str, Any] = {
    "4": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "SDXL\\sd_xl_base_1.0.safetensors"}},
    "12": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "sd_xl_refiner_1.0.safetensors"}},
    "20": {
        "class_type": "LoraLoader",
        "inputs": {
            "lora_name": "snow.safetensors", "strength_model": 0.7, "strength_clip": 0.7, "model": ["4", 0],
            "clip": ["4", 1],
        },
    },
    "5": {"class_type": "EmptyLatentImage", "inputs": {"width": 1152, "height": 896, "batch_size": 1}},
    "6": {"class_type": "CLIPTextEncode", "inputs": {"text": "a (fox:1.3) [sic]", "clip": ["20", 1]}},
    "7": {"class_type": "CLIPTextEncode", "inputs": {"text": ["30", 0], "clip": ["20", 1]}},
    "15": {
        "class_type": "CLIPTextEncodeSDXLRefiner",
        "inputs": {"ascore": 6.5, "width": 1152, "height": 896, "text": "a fox", "clip": ["12", 1]},
    },
    "16": {
        "class_type": "CLIPTextEncodeSDXLRefiner",
        "inputs": {"ascore": 2.0, "width": 1152, "height": 896, "text": "blurry", "clip": ["12", 1]},
    },
    "30": {"class_type": "PrimitiveString", "inputs": {"value": "blurry"}},
    "10": {
        "class_type": "KSamplerAdvanced",
        "inputs": {
            "add_noise": "enable", "noise_seed": 721, "steps": 25, "cfg": 8.0, "sampler_name": "dpmpp_2m_sde_gpu",
            "scheduler": "karras", "start_at_step": 0, "end_at_step": 20, "return_with_leftover_noise": "enable",
            "model": ["20", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0],
        },
    },
    "11": {
        "class_type": "KSamplerAdvanced",
        "inputs": {
            "add_noise": "disable", "noise_seed": 0, "steps": 25, "cfg": 8.0, "sampler_name": "dpmpp_2m_sde_gpu",
            "scheduler": "karras", "start_at_step": 20, "end_at_step": 10000, "return_with_leftover_noise": "disable",
            "model": ["12", 0], "positive": ["15", 0], "negative": ["16", 0], "latent_image": ["10", 0],
        },
    },
    "17": {"class_type": "VAEDecode", "inputs": {"samples": ["11", 0], "vae": ["12", 2]}, "is_changed": [float("nan")]},
    "19": {"class_type": "SaveImage", "inputs": {"filename_prefix": "ComfyUI", "images": ["17", 0]}},
}  # fmt: skip
COMFYUI_IMAGE: Mapping[str, Any] = {
    "1": {"class_type": "CheckpointLoaderSimple", "inputs": {"ckpt_name": "base.safetensors"}},
    "2": {"class_type": "LoadImage", "inputs": {"image": "in.png", "upload": "image"}},
    "3": {"class_type": "VAEEncode", "inputs": {"pixels": ["2", 0], "vae": ["1", 2]}},
    "4": {"class_type": "CLIPTextEncode", "inputs": {"text": "a wolf", "clip": ["1", 1]}},
    "5": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 5, "steps": 18, "cfg": 6, "sampler_name": "euler", "scheduler": "normal", "denoise": 0.45,
            "model": ["1", 0], "positive": ["4", 0], "negative": ["4", 0], "latent_image": ["3", 0],
        },
    },
    "6": {
        "class_type": "LatentUpscaleBy",
        "inputs": {"upscale_method": "bislerp", "scale_by": 1.5, "samples": ["5", 0]},
    },
    "7": {
        "class_type": "KSampler",
        "inputs": {
            "seed": 6, "steps": 10, "cfg": 6, "sampler_name": "euler", "scheduler": "normal", "denoise": 0.5,
            "model": ["1", 0], "positive": ["4", 0], "negative": ["4", 0], "latent_image": ["6", 0],
        },
    },
    "8": {"class_type": "VAEDecode", "inputs": {"samples": ["7", 0], "vae": ["1", 2]}},
    "9": {"class_type": "SaveImage", "inputs": {"filename_prefix": "x", "images": ["8", 0]}},
}  # fmt: skip
INVOKEAI = {
    "generation_mode": "sdxl_txt2img", "positive_prompt": "(a robot)1.3 reading++", "negative_prompt": "blurry-",
    "width": 1184, "height": 888, "seed": 591741300, "rand_device": "cpu", "cfg_scale": 5.5, "steps": 30,
    "cfg_rescale_multiplier": 0.25, "scheduler": "dpmpp_2m_sde_k", "positive_style_prompt": "ink", "controlnets": [],
    "model": {"key": "k", "hash": "blake3:8967e7e6df2e97e08c61543779f7cc6b", "name": "juggernautXL_v9", "base": "sdxl"},
    "loras": [{"model": {"name": "add-detail-xl", "hash": "blake3:0011223344556677"}, "weight": 0.6}],
    "vae": {"name": "sdxl-vae-fp16-fix", "hash": "blake3:aabbccddeeff"}, "app_version": "5.4.2",
    "ipAdapters": [{"w": 1}],
    "refiner_model": {"model_name": "sd_xl_refiner_1.0"}, "refiner_start": 0.8, "refiner_steps": 20,
    "refiner_positive_aesthetic_score": 7.0, "refiner_negative_aesthetic_score": 2.5,
}  # fmt: skip
FOOOCUS = {
    "adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "juggernautXL_v8Rundiffusion", "base_model_hash": "aeb7e9e689",
    "clip_skip": 2, "full_negative_prompt": ["x"], "full_prompt": ["cinematic fox"], "guidance_scale": 4,
    "lora_combined_1": "sd_xl_offset : 0.1", "loras": [["sd_xl_offset", 0.1, "4852686128"]],
    "metadata_scheme": "fooocus",
    "negative_prompt": "text", "performance": "Speed", "prompt": "a fox", "prompt_expansion": "",
    "refiner_model": "None",
    "refiner_switch": 0.5, "resolution": "(896, 1152)", "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras",
    "seed": "123", "sharpness": 2, "steps": 30, "styles": "['Fooocus V2']", "vae": "Default (model)",
    "version": "Fooocus v2.5.5",
}  # fmt: skip
FOOOCUS_A1111 = (
    "a fox\nNegative prompt: text\nSteps: 30, Sampler: DPM++ 2M SDE Karras, Seed: 123, Size: 896x1152, CFG scale: 4, "
    'Sharpness: 2, ADM Guidance: "(1.5, 0.8, 0.3)", Base Model: j, Model: juggernautXL, Model hash: aeb7e9e689, '
    'Performance: Speed, Lora hashes: "sd_xl_offset: 4852686128", Lora weights: "sd_xl_offset: 0.1", '
    "Version: Fooocus v2.5.5"
)
NOVELAI = {
    "prompt": "{{fox}}, [snow], (sic)", "steps": 28, "height": 1216, "width": 832, "scale": 5.0, "uncond_scale": 0.0,
    "cfg_rescale": 0.2, "seed": 4027, "n_samples": 1, "noise_schedule": "native", "sampler": "k_euler_ancestral",
    "sm": True, "sm_dyn": False, "uc": "lowres", "request_type": "PromptGenerateRequest",
}  # fmt: skip
DRAW_THINGS = {
    "c": "a lighthouse", "uc": "blurry", "steps": 24, "sampler": "DPM++ 2M Karras", "scale": 7.5, "seed": 424242,
    "size": "1536x1024", "model": "sd_xl_base_1.0_f16.ckpt", "strength": 1, "seed_mode": "Scale Alike",
    "hires_fix": True,
    "refiner": "sd_xl_refiner_1.0_f16.ckpt", "refiner_start": 0.85,
    "lora": [{"model": "grain_f16.ckpt", "weight": 0.4}],
    "v2": {"aestheticScore": 6.5, "negativeAestheticScore": 2, "clipSkip": 1, "originalImageWidth": 2048,
           "originalImageHeight": 1536, "cropTop": 8, "cropLeft": 16},
}  # fmt: skip


def png(**texts: str) -> Writer:
    def write(file: Path) -> None:
        info = PngImagePlugin.PngInfo()
        for key, text in texts.items():
            info.add_text(key, text)
        PICTURE.save(file, "PNG", pnginfo=info)

    return write


def xmp_packet(user_comment: str) -> str:
    escaped = user_comment.replace("&", "&amp;").replace("<", "&lt;").replace('"', "&quot;")
    return (
        '<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:exif="http://ns.adobe.com/exif/1.0/" '
        'xmlns:xmp="http://ns.adobe.com/xap/1.0/"><xmp:CreatorTool>Draw Things</xmp:CreatorTool>'
        f'<exif:UserComment><rdf:Alt><rdf:li xml:lang="x-default">{escaped}</rdf:li></rdf:Alt></exif:UserComment>'
        "</rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def png_xmp(user_comment: str) -> Writer:
    def write(file: Path) -> None:
        info = PngImagePlugin.PngInfo()
        info.add_itxt("XML:com.adobe.xmp", xmp_packet(user_comment))
        PICTURE.save(file, "PNG", pnginfo=info)

    return write


def with_exif(kind: str, comment: bytes = b"", **tags: str) -> Writer:
    names = {"ImageDescription": 0x010E, "Make": 0x010F, "Model": 0x0110, "Software": 0x0131}

    def write(file: Path) -> None:
        exif = Image.Exif()
        for name, text in tags.items():
            exif[names[name]] = text
        if comment:
            exif.get_ifd(0x8769)[0x9286] = comment
        PICTURE.save(file, kind, exif=exif)

    return write


@dataclass(frozen=True)
class Sample:
    """How to write a picture, its suffix, and what must be read from it."""

    write: Writer
    suffix: str
    program: str
    values: Mapping[str, Any]
    unmatched: tuple[str, ...] = ()
    """Words that must be in the list of what has no counterpart."""


_LORA = ForeignLora(ModelReference("snow-style", "7c6bad76eb54"), 0.7)
_A1111_VALUES = {
    "prompt": "a (red fox:1.2) in, “snow” ♥\nsecond line",
    "negative_prompt": "blurry, [grey]",
    "steps": 25,
    "scheduler": SchedulerName.DPMPP_2M_KARRAS,
    "guidance_scale": 6.5,
    "seed": 4294967295,
    "size": Size(832, 1216),
    "checkpoint": ModelReference("sd_xl_base_1.0", "31e35c80fc"),
    "vae": ModelReference("sdxl_vae", "235745af8d"),
    "clip_skip": 1,
    "loras": (_LORA,),
    "refiner": ForeignRefiner(model=ModelReference("sd_xl_refiner_1.0", "7440042bbd"), handoff=0.8),
    "strength": None,
}
_FOOOCUS_VALUES = {
    "prompt": "a fox",
    "negative_prompt": "text",
    "steps": 30,
    "seed": 123,
    "size": Size(896, 1152),
    "guidance_scale": 4.0,
    "scheduler": SchedulerName.DPMPP_2M_SDE_KARRAS,
    "loras": (ForeignLora(ModelReference("sd_xl_offset", "4852686128"), 0.1),),
}
_COMFYUI_VALUES = {
    "prompt": "a (fox:1.3) \\[sic\\]",
    "negative_prompt": "blurry",
    "seed": 721,
    "steps": 25,
    "guidance_scale": 8.0,
    "scheduler": SchedulerName.DPMPP_2M_SDE_KARRAS,
    "size": Size(1152, 896),
    "checkpoint": ModelReference("sd_xl_base_1.0"),
    "loras": (ForeignLora(ModelReference("snow"), 0.7),),
    "refiner": ForeignRefiner(model=ModelReference("sd_xl_refiner_1.0"), handoff=0.8),
    "aesthetic_score": 6.5,
    "negative_aesthetic_score": 2.0,
}

SAMPLES: Mapping[str, Sample] = {
    "a1111-png": Sample(png(parameters=A1111), ".png", "AUTOMATIC1111", _A1111_VALUES, ("ADetailer",)),
    "a1111-jpeg": Sample(
        with_exif("JPEG", b"UNICODE\0" + A1111.encode("utf-16-be")), ".jpg", "AUTOMATIC1111", _A1111_VALUES
    ),
    "a1111-webp": Sample(
        with_exif("WEBP", b"UNICODE\0" + A1111.encode("utf-16-le")), ".webp", "AUTOMATIC1111", _A1111_VALUES
    ),
    "forge": Sample(
        png(parameters=FORGE), ".png", "Forge",
        {"scheduler": SchedulerName.EULER_ANCESTRAL, "seed": 7, "strength": None, "negative_prompt": ""},
        ("Hires", "strength 0.4"),
    ),
    "sdnext": Sample(
        png(parameters=SDNEXT), ".png", "SD.Next",
        {"scheduler": SchedulerName.UNIPC, "clip_skip": 1, "strength": 0.35, "size": Size(1024, 768)},
    ),
    "krita": Sample(
        png(parameters=KRITA), ".png", "Krita AI Diffusion",
        {
            "prompt": "a castle", "loras": (ForeignLora(ModelReference("ink"), 0.5),), "strength": 0.6,
            "scheduler": SchedulerName.DPMPP_2M, "checkpoint": ModelReference("dreamshaperXL"),
        },
    ),
    "comfyui-png": Sample(png(prompt=json.dumps(COMFYUI)), ".png", "ComfyUI", _COMFYUI_VALUES),
    "comfyui-webp": Sample(
        with_exif("WEBP", Make="workflow:{}", Model="prompt:" + json.dumps(COMFYUI)), ".webp", "ComfyUI",
        _COMFYUI_VALUES,
    ),
    "comfyui-image": Sample(
        png(prompt=json.dumps(COMFYUI_IMAGE), workflow="{}"), ".png", "ComfyUI",
        {"prompt": "a wolf", "strength": 0.45, "seed": 5, "steps": 18, "scheduler": SchedulerName.EULER, "size": None},
        ("second pass", "LatentUpscaleBy"),
    ),
    "invokeai": Sample(
        png(invokeai_metadata=json.dumps(INVOKEAI)), ".png", "InvokeAI",
        {
            "prompt": "(a robot:1.3) (reading:1.21)", "negative_prompt": "(blurry:0.9)", "prompt_2": "ink",
            "guidance_rescale": 0.25, "scheduler": SchedulerName.DPMPP_2M_SDE_KARRAS, "size": Size(1184, 888),
            "checkpoint": ModelReference("juggernautXL_v9", "blake3:8967e7e6df2e97e08c61543779f7cc6b"),
            "loras": (ForeignLora(ModelReference("add-detail-xl", "blake3:0011223344556677"), 0.6),),
            "refiner": ForeignRefiner(model=ModelReference("sd_xl_refiner_1.0"), handoff=0.8, steps=20),
            "aesthetic_score": 7.0, "vae": ModelReference("sdxl-vae-fp16-fix", "blake3:aabbccddeeff"), "strength": None,
        },
        ("IP adapters",),
    ),
    "fooocus": Sample(
        png(parameters=json.dumps(FOOOCUS), fooocus_scheme="fooocus"), ".png", "Fooocus",
        {**_FOOOCUS_VALUES, "checkpoint": ModelReference("juggernautXL_v8Rundiffusion", "aeb7e9e689"), "refiner": None},
        ("Styles", "Sharpness"),
    ),
    "fooocus-jpeg": Sample(
        with_exif("JPEG", b"UNICODE\0" + json.dumps(FOOOCUS).encode("utf-16-be"), Software="Fooocus v2.5.5"),
        ".jpg", "Fooocus", _FOOOCUS_VALUES,
    ),
    "fooocus-a1111": Sample(
        png(parameters=FOOOCUS_A1111, fooocus_scheme="a1111"), ".png", "Fooocus",
        {**_FOOOCUS_VALUES, "checkpoint": ModelReference("juggernautXL", "aeb7e9e689")}, ("ADM Guidance",),
    ),
    "novelai": Sample(
        png(Software="NovelAI", Source="Stable Diffusion XL C1E1DE52", Description="x", Comment=json.dumps(NOVELAI)),
        ".png", "NovelAI",
        {
            "prompt": "((fox:1.05):1.05), (snow:0.952381), \\(sic\\)", "negative_prompt": "lowres", "seed": 4027,
            "guidance_rescale": 0.2, "scheduler": SchedulerName.EULER_ANCESTRAL, "size": Size(832, 1216),
            "checkpoint": ModelReference("Stable Diffusion XL", "c1e1de52"), "strength": None,
        },
        ("SMEA",),
    ),
    "draw-things": Sample(
        png_xmp(json.dumps(DRAW_THINGS)), ".png", "Draw Things",
        {
            "prompt": "a lighthouse", "negative_prompt": "blurry", "steps": 24, "seed": 424242, "clip_skip": 0,
            "scheduler": SchedulerName.DPMPP_2M_KARRAS, "size": Size(1536, 1024), "strength": None,
            "checkpoint": ModelReference("sd_xl_base_1.0_f16"), "original_size": Size(2048, 1536),
            "loras": (ForeignLora(ModelReference("grain_f16"), 0.4),), "aesthetic_score": 6.5,
            "refiner": ForeignRefiner(model=ModelReference("sd_xl_refiner_1.0_f16"), handoff=0.85),
        },
        ("Hires",),
    ),
}  # fmt: skip
