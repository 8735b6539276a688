"""The guide's last sections: additions to a checkpoint, and the data hidden in pictures."""

from __future__ import annotations

from tools.guide.commands import Section, difference, drawn_picture, python_command

APPLE = "a red apple on a green background"
CAR = "a car on a yellow background"
MAGENTA = "a yellow star on a magenta background"
LORA = "additions/sepia.safetensors"
EMBEDDING = "--embedding additions/magenta.safetensors"
SHIPPED = "import shutil; from sdxl_desktop.core.paths import resources; "
COPY_ADDITIONS = f"{SHIPPED}shutil.copytree(resources() / 'additions', 'additions')"
COPY_VAE = f"{SHIPPED}shutil.copytree(resources() / 'checkpoints/starter-refiner/vae_decoder', 'vae/vae_decoder')"

ADDITIONS = (
    Section(
        "LoRA",
        "A LoRA is a small file that changes what a checkpoint draws; its weight says how much. Diffusers' and kohya's "
        "files are read, and LyCORIS' (LoHa, LoKr, (IA)³, DoRA and full differences), and `--lora` can be given "
        "several times. They are fused into the checkpoint once and kept. "
        "This one, which comes with the application, was taught old photographs. The first line copies it here.",
        (
            drawn_picture("lora-0", "weight 0", CAR, f"--lora {LORA}:0"),
            drawn_picture("lora-50", "0.5", CAR, f"--lora {LORA}:0.5"),
            drawn_picture("lora-100", "1", CAR, f"--lora {LORA}:1"),
        ),
        before=(python_command(COPY_ADDITIONS),),
    ),
    Section(
        "Textual inversion",
        "An embedding is one word that was taught to both text encoders while everything else stayed as it was. The "
        "word is the file's name, or what stands behind a colon: `--embedding FILE:word`. The starter has not been "
        "told of any magenta; the embedding means that colour.",
        (
            drawn_picture("magenta-none", "without", MAGENTA),
            drawn_picture("magenta", "with the embedding", MAGENTA, EMBEDDING),
            drawn_picture("magenta-snowman", "in another prompt", "a snowman on a magenta background", EMBEDDING),
        ),
    ),
    Section(
        "Another VAE",
        "`--vae` takes another VAE, a .safetensors file or a folder in OpenVINO's or diffusers' form: for SDXL mostly "
        "the one whose numbers fit in 16 bits. A tiny one, such as TAESDXL, decodes faster and less exactly; a "
        "checkpoint that brings one in a folder `vae_tiny` uses it for drafts. The starters share a single VAE, so the "
        "refiner's, which the first line copies, makes the same picture.",
        (
            drawn_picture("vae-own", "its own", APPLE),
            drawn_picture("vae-other", "the refiner's", APPLE, "--vae vae"),
        ),
        before=(python_command(COPY_VAE),),
    ),
    Section(
        "Invisible watermark",
        "Pictures from 256 × 256 up carry SDXL's usual invisible watermark, which says that a machine made them, and "
        "which the usual decoder reads. `--no-watermark` leaves it out once, the settings for good. "
        "(At this size the starter draws colours rather than things.)",
        (
            drawn_picture("marked", "marked", APPLE, "--size 256x256"),
            drawn_picture("unmarked", "not marked", APPLE, "--size 256x256 --no-watermark"),
            difference("mark", "marked", "unmarked", 30),
        ),
    ),
)
