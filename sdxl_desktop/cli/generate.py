"""`generate`: every workflow of SDXL as one command, its options grouped as a person looks for them."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sdxl_desktop.cli.draw import draw
from sdxl_desktop.cli.options import Options
from sdxl_desktop.core.edit import Prefill
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.schedulers import SchedulerName

EDIT = "Changing a picture"
REFINER = "Refiner"
ADDITIONS = "Additions"
MICRO = "Micro-conditioning"
ADVANCED = "Advanced"
COMPUTER = "This computer"


def generate(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="What to draw.")],
    output: Annotated[
        Path | None,
        typer.Option(
            "--output",
            "-o",
            metavar="FILE",
            help="Where to write it (.png, .jpg or .webp; an existing file is replaced). Further pictures of one run "
            "get the next unused names: out.png, out-2.png, out-3.png. Without it: the current folder, under an unused "
            "name.",
        ),
    ] = None,
    negative: Annotated[str, typer.Option(metavar="TEXT", help="What to steer away from.")] = "",
    prompt_2: Annotated[
        str, typer.Option("--prompt-2", metavar="TEXT", help="Words for the second text encoder alone.")
    ] = "",
    negative_2: Annotated[
        str, typer.Option("--negative-2", metavar="TEXT", help="The same, for the negative prompt.")
    ] = "",
    checkpoint: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="A checkpoint of your library, or a folder of OpenVINO SDXL parts."),
    ] = None,
    size: Annotated[str | None, typer.Option(metavar="WxH", help="Size in pixels.")] = None,
    steps: Annotated[int | None, typer.Option(metavar="N", help="Denoising steps.")] = None,
    guidance: Annotated[
        float | None, typer.Option(metavar="G", help="How closely to follow the prompt; 1 or less: no guidance.")
    ] = None,
    guidance_rescale: Annotated[
        float | None, typer.Option(metavar="R", help="Tames overexposure of strong guidance, 0 to 1.")
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="One of " + ", ".join(name.value for name in SchedulerName) + "."),
    ] = None,
    speed: Annotated[
        str | None,
        typer.Option(metavar="exact|balanced|fast", help="How many steps reuse deep layers. Default: balanced."),
    ] = None,
    seed: Annotated[
        str | None,
        typer.Option(metavar="N", help="The same seed and request give the same picture. Default, and -1: random."),
    ] = None,
    count: Annotated[int, typer.Option(metavar="N", help="How many pictures, each with the next seed.")] = 1,
    original_size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="Micro-conditioning: size of the imagined original.", rich_help_panel=MICRO),
    ] = None,
    target_size: Annotated[
        str | None,
        typer.Option(metavar="WxH", help="Micro-conditioning: size of the imagined result.", rich_help_panel=MICRO),
    ] = None,
    crop: Annotated[
        str | None,
        typer.Option(
            metavar="X,Y", help="Micro-conditioning: top left corner of the imagined crop.", rich_help_panel=MICRO
        ),
    ] = None,
    negative_original_size: Annotated[
        str | None, typer.Option(metavar="WxH", help="The original size to steer away from.", rich_help_panel=MICRO)
    ] = None,
    negative_target_size: Annotated[
        str | None, typer.Option(metavar="WxH", help="The target size to steer away from.", rich_help_panel=MICRO)
    ] = None,
    negative_crop: Annotated[
        str | None, typer.Option(metavar="X,Y", help="The crop to steer away from.", rich_help_panel=MICRO)
    ] = None,
    device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="A device that `devices` lists, or auto. Default: as in your settings.",
            rich_help_panel=COMPUTER,
        ),
    ] = None,
    text_device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The device of the text encoders. Default: the one of all.",
            rich_help_panel=COMPUTER,
        ),
    ] = None,
    unet_device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The device of the UNet. Default: the one of all.",
            rich_help_panel=COMPUTER,
        ),
    ] = None,
    vae_device: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="The device of the VAE. Default: the one of all.",
            rich_help_panel=COMPUTER,
        ),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(
            metavar="N", help="Processor threads, 0 for all. Default: as in your settings.", rich_help_panel=COMPUTER
        ),
    ] = None,
    precision: Annotated[
        str | None,
        typer.Option(
            metavar="NAME", help="auto, f32, f16 or bf16. Default: as in your settings.", rich_help_panel=COMPUTER
        ),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A picture to change.", rich_help_panel=EDIT)
    ] = None,
    strength: Annotated[
        float | None,
        typer.Option(
            metavar="S",
            help="How much of it is drawn anew, above 0 to 1. Default: 0.6, with a mask 1, or as the intent says.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    fit: Annotated[
        str,
        typer.Option(metavar="crop|pad|stretch", help="How it meets a size of another shape.", rich_help_panel=EDIT),
    ] = "crop",
    backdrop: Annotated[
        str | None,
        typer.Option(
            metavar="white|black|grey|checked|#RRGGBB",
            help="What shows through its transparent parts. Default: as in your settings.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    mask: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="White where new pixels are wanted; of the picture's size.", rich_help_panel=EDIT
        ),
    ] = None,
    intent: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(intent.value for intent in Intent if intent is not Intent.EXPAND),
            help="What you mean to do with the masked area; sets the options below that you do not give.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    mask_blur: Annotated[
        float | None,
        typer.Option(
            metavar="PX", help="How softly new pixels end inside the mask's edge. Default: 0.", rich_help_panel=EDIT
        ),
    ] = None,
    grow: Annotated[
        int | None,
        typer.Option(
            metavar="PX", help="Draw this far around the mask too; it is not kept. Default: 0.", rich_help_panel=EDIT
        ),
    ] = None,
    prefill: Annotated[
        str | None,
        typer.Option(
            metavar="|".join(way.value for way in Prefill),
            help="What the masked area starts from. Default: keep.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    soft_mask: Annotated[
        bool | None,
        typer.Option(
            "--soft-mask/--hard-mask",
            help="Take the mask's greys for strengths, or for all or nothing. Default: hard.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    match_colours: Annotated[
        bool | None,
        typer.Option(
            "--match-colours/--no-match-colours",
            help="Give the new the colours of the old along the mask's edge. Default: no.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    only_masked: Annotated[
        int | None,
        typer.Option(
            metavar="PX",
            help="Draw only the mask's surroundings, this wide, at the full size.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    paste_back: Annotated[
        bool | None,
        typer.Option(
            "--paste-back/--no-paste-back",
            help="Put the result back into the picture at its own size. Default: with a mask.",
            rich_help_panel=EDIT,
        ),
    ] = None,
    refiner: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="Finish with this refiner checkpoint.", rich_help_panel=REFINER),
    ] = None,
    refine: Annotated[
        str | None,
        typer.Option(
            metavar="ensemble|img2img",
            help="Let it take over the base's noisy latents, or retouch the finished picture. Default: ensemble.",
            rich_help_panel=REFINER,
        ),
    ] = None,
    handoff: Annotated[
        float | None,
        typer.Option(metavar="F", help="Where it takes over, 0 to 1. Default: 0.8.", rich_help_panel=REFINER),
    ] = None,
    refiner_steps: Annotated[
        int | None,
        typer.Option(metavar="N", help="Steps of its whole schedule. Default: the base's.", rich_help_panel=REFINER),
    ] = None,
    refiner_strength: Annotated[
        float | None,
        typer.Option(metavar="S", help="How much it retouches, above 0 to 1. Default: 0.3.", rich_help_panel=REFINER),
    ] = None,
    aesthetic_score: Annotated[
        float | None,
        typer.Option(metavar="A", help="How beautiful it is told the picture is, 0 to 10.", rich_help_panel=REFINER),
    ] = None,
    negative_aesthetic_score: Annotated[
        float | None, typer.Option(metavar="A", help="The score to steer away from.", rich_help_panel=REFINER)
    ] = None,
    lora: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[:WEIGHT]", help="A LoRA, fused into the checkpoint. Repeatable.", rich_help_panel=ADDITIONS
        ),
    ] = None,
    embedding: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FILE[:TOKEN]",
            help="A textual inversion and its word in the prompt. Repeatable.",
            rich_help_panel=ADDITIONS,
        ),
    ] = None,
    vae: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Another VAE, a file or a folder.", rich_help_panel=ADDITIONS)
    ] = None,
    clip_skip: Annotated[
        int,
        typer.Option(metavar="N", help="Leave out the text encoders' last layers.", rich_help_panel=ADDITIONS),
    ] = 0,
    timesteps: Annotated[
        str | None,
        typer.Option(metavar="T,T,…", help="Timesteps in the place of the scheduler's.", rich_help_panel=ADVANCED),
    ] = None,
    prediction_type: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="What the UNet predicts: epsilon, v_prediction or sample. Default: as the checkpoint says.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    zero_snr: Annotated[
        bool | None,
        typer.Option(
            "--zero-snr/--no-zero-snr",
            help="Sample with zero terminal SNR, or not. Default: as the checkpoint says.",
            show_default=False,
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    timestep_spacing: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="leading, linspace or trailing. Default: as the checkpoint says.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    variation_seed: Annotated[
        str | None,
        typer.Option(metavar="N", help="Turn the noise towards this seed's; -1: random.", rich_help_panel=ADVANCED),
    ] = None,
    variation_strength: Annotated[
        float | None, typer.Option(metavar="V", help="How far, 0 to 1.", rich_help_panel=ADVANCED)
    ] = None,
    watermark: Annotated[
        bool | None,
        typer.Option(
            "--watermark/--no-watermark",
            help="Mark the pixels invisibly as machine-made. Default: as in your settings.",
            rich_help_panel=ADVANCED,
        ),
    ] = None,
    latents_out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="Keep every step's latents in this .safetensors file.", rich_help_panel=ADVANCED
        ),
    ] = None,
    from_latents: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Start from kept latents: decode or refine them.", rich_help_panel=ADVANCED),
    ] = None,
    from_step: Annotated[
        int | None,
        typer.Option(metavar="K", help="Go on after their step K, with this prompt.", rich_help_panel=ADVANCED),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output; progress on standard error.")
    ] = False,
) -> int:
    """Draw a picture from words, or change one, without a window.

    What you do not give is what the checkpoint recommends. Exit codes: 0 drawn, 2 bad input, 1 failed, 130 cancelled.
    """
    given = {**locals(), "lora": tuple(lora or ()), "embedding": tuple(embedding or ())}
    options = Options(**{name: given[name] for name in Options.__dataclass_fields__})
    return draw(context.obj, options, checkpoint=checkpoint, output=output, as_json=as_json)
