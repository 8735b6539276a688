"""The guide's last sections: LoRAs, embeddings, VAEs, and the invisible watermark."""

from __future__ import annotations

from tools.guide.commands import Section, difference, drawn_picture, python_command

APPLE = "a red apple on a green background"
CAR = "a car on a yellow background"
MAGENTA = "a yellow star on a magenta background"
LORA = "additions/sepia.safetensors"
EMBEDDING = "--embedding additions/magenta.safetensors"
SHIPPED = "import shutil; from sdxl_desktop.core.paths import resources_folder; "
COPY_ADDITIONS = f"{SHIPPED}shutil.copytree(resources_folder() / 'additions', 'additions')"
COPY_VAE = (
    f"{SHIPPED}shutil.copytree(resources_folder() / 'checkpoints/starter-refiner/vae_decoder', 'vae/vae_decoder')"
)

ADDITIONS = (
    Section(
        "LoRA",
        "A LoRA is a small file that changes what a checkpoint draws; its weight says how much. Files of diffusers, "
        "kohya and LyCORIS (LoHa, LoKr, (IA)³, DoRA and full differences) are read, and `--lora` can be given several "
        "times. LoRAs are fused into the checkpoint once, and the result is kept. A LoRA whose name or metadata says "
        "Turbo, Lightning, Hyper, DMD2, TCD or LCM is made for a few steps without guidance: the window offers its "
        "steps, scheduler and timestep spacing and changes nothing by itself, the command line names the options. The "
        "LoRA below, which comes with the application, was trained on old photographs. The first line copies it here.",
        (
            drawn_picture("lora-0", "weight 0", CAR, f"--lora {LORA}:0"),
            drawn_picture("lora-50", "0.5", CAR, f"--lora {LORA}:0.5"),
            drawn_picture("lora-100", "1", CAR, f"--lora {LORA}:1"),
        ),
        before=(python_command(COPY_ADDITIONS),),
    ),
    Section(
        "Textual inversion",
        "An embedding is one word that was trained for both text encoders while everything else stayed the same. The "
        "word is the file's name, or the text after a colon: `--embedding FILE:word`. The starter does not know the "
        "word magenta; the embedding means that colour.",
        (
            drawn_picture("magenta-none", "without", MAGENTA),
            drawn_picture("magenta", "with the embedding", MAGENTA, EMBEDDING),
            drawn_picture("magenta-snowman", "in another prompt", "a snowman on a magenta background", EMBEDDING),
        ),
    ),
    Section(
        "Another VAE",
        "`--vae` takes another VAE, a .safetensors file or a folder in OpenVINO's or diffusers' layout: for SDXL "
        "mostly the one whose numbers fit in 16 bits. A tiny one, such as TAESDXL, decodes faster and less exactly; a "
        "checkpoint that has one in a folder `vae_tiny` uses it for drafts. The starters share one VAE, so the "
        "refiner's, which the first line copies, makes the same picture.",
        (
            drawn_picture("vae-own", "its own", APPLE),
            drawn_picture("vae-other", "the refiner's", APPLE, "--vae vae"),
        ),
        before=(python_command(COPY_VAE),),
    ),
    Section(
        "Invisible watermark",
        "Pictures of 256 × 256 pixels and more have SDXL's usual invisible watermark, which says that a machine made "
        "them, and which the usual decoder reads. `--no-watermark` leaves it out once, the setting always. (At this "
        "size the starter draws colours rather than things.)",
        (
            drawn_picture("marked", "marked", APPLE, "--size 256x256"),
            drawn_picture("unmarked", "not marked", APPLE, "--size 256x256 --no-watermark"),
            difference("mark", "marked", "unmarked", 30),
        ),
    ),
)
