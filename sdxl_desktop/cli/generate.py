"""`generate`: every SDXL workflow as one command, with options grouped by purpose.

Options for request values are generated from their declarations (`cli.declared`). This module defines only those that
name files and checkpoints, or control the printed output.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from sdxl_desktop.cli.declared import with_declared_options
from sdxl_desktop.cli.generate_run import run_generate
from sdxl_desktop.cli.grid_run import run_grid
from sdxl_desktop.cli.options import Options
from sdxl_desktop.core.intents import Intent
from sdxl_desktop.core.scalars import ADDITIONS, ADVANCED, EDIT, GRID, REFINER


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
    checkpoint: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="A checkpoint of your library, or a folder of OpenVINO SDXL parts."),
    ] = None,
    image: Annotated[
        Path | None, typer.Option(metavar="FILE", help="A picture to change.", rich_help_panel=EDIT)
    ] = None,
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
    refiner: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="Finish with this refiner checkpoint.", rich_help_panel=REFINER),
    ] = None,
    style: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="A style of the command styles list, put on the prompt. Repeatable."),
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(metavar="NAME|FILE", help="Begin with the settings of a preset; other options override them."),
    ] = None,
    variants: Annotated[
        str | None,
        typer.Option(
            metavar="random|all|off",
            help="What {a|b} and __name__ in the prompt do: one choice for each picture, by its seed; a picture for "
            "each combination; or nothing. Default: as in your settings.",
        ),
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
    ignore_unknown_loras: Annotated[
        bool,
        typer.Option(
            "--ignore-unknown-loras",
            help="Draw without the LoRAs that the prompt names and your library lacks.",
            rich_help_panel=ADDITIONS,
        ),
    ] = False,
    vae: Annotated[
        Path | None, typer.Option(metavar="PATH", help="Another VAE, a file or a folder.", rich_help_panel=ADDITIONS)
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
    x: Annotated[
        str | None,
        typer.Option(
            "--x",
            metavar="NAME=VALUES",
            help="Draw a grid: one column for each value, such as steps=10,20,30 or guidance=3-7:2.",
            rich_help_panel=GRID,
        ),
    ] = None,
    y: Annotated[
        str | None, typer.Option("--y", metavar="NAME=VALUES", help="One row for each value.", rich_help_panel=GRID)
    ] = None,
    z: Annotated[
        str | None,
        typer.Option("--z", metavar="NAME=VALUES", help="One section for each value.", rich_help_panel=GRID),
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on standard output; progress on standard error.")
    ] = False,
    **values: Any,
) -> int:
    """Generate a picture from a prompt, or change one, without a window.

    Omitted options use the checkpoint's recommendation. Exit codes: 0 drawn, 2 bad input, 1 failed, 130 cancelled.
    """
    options = Options(
        prompt=prompt,
        values=values,
        image=image,
        backdrop=backdrop,
        mask=mask,
        intent=intent,
        refiner=refiner,
        style=tuple(style or ()),
        preset=preset,
        variants=variants,
        lora=tuple(lora or ()),
        embedding=tuple(embedding or ()),
        ignore_unknown_loras=ignore_unknown_loras,
        vae=vae,
        latents_out=latents_out,
        from_latents=from_latents,
        from_step=from_step,
    )
    axes = [axis for axis in (x, y, z) if axis is not None]
    if axes:
        return run_grid(context.obj, options, axes, checkpoint=checkpoint, output=output, as_json=as_json)
    return run_generate(context.obj, options, checkpoint=checkpoint, output=output, as_json=as_json)


with_declared_options(
    generate,
    before={
        "negative": ("output",),
        "size": ("checkpoint",),
        "strength": ("image",),
        "mask_blur": ("backdrop", "mask", "intent"),
        "refine": ("refiner",),
        "clip_skip": ("lora", "embedding", "ignore_unknown_loras", "vae"),
    },
)
