"""A toy set of pictures and names, and a recipe so small that every stage of tools.starter takes seconds."""

import json
from dataclasses import replace
from pathlib import Path

from PIL import Image, ImageDraw

from tools.starter.config import CPU, Config
from tools.starter.names import HERE

TOY: Config = replace(
    CPU,
    size=32,
    vae_batch=2,
    vae_crop=32,
    vae_steps=2,
    unet_channels=(16, 32, 48),
    unet_heads=(1, 2, 3),
    unet_groups=4,
    time_ids_dim=8,
    text_hidden=(32, 48),
    text_layers=(2, 2),
    text_heads=(2, 3),
    text_scenes=32,
    text_steps=2,
    batch=4,
    warmup=2,
    steps=3,
    pool=16,
    refiner_steps=3,
    distil_steps=3,
    guidance_dim=32,
    lora_steps=3,
    embedding_steps=3,
    addition_warmup=2,
    addition_pool=16,
    threads=1,
    device="cpu",
)


def labels() -> list[str]:
    lines = (HERE / "names.txt").read_text(encoding="utf-8").splitlines()
    return [line.lstrip("*").partition(" = ")[0] for line in lines if line and not line.startswith("#")]


def make_data(data: Path) -> None:
    """The two fetched packages as they lie in `data/src`, each picture a plain disc, and 64 that no label names."""
    known = [(f"{0x1F000 + number:x}", label) for number, label in enumerate(labels())]
    table = [{"label": label, "hexcode": code.upper(), "group": 1} for code, label in known]
    names, pictures = data / "src/names/package/en", data / "src/pictures/package/assets"
    names.mkdir(parents=True)
    pictures.mkdir(parents=True)
    (names / "data.json").write_text(json.dumps(table), encoding="utf-8")
    strangers = [f"{0x2F000 + number:x}" for number in range(64)]
    for number, code in enumerate([code for code, _ in known] + strangers):
        picture = Image.new("RGBA", (48, 48))
        shade = (number * 37 % 256, number * 91 % 256, number * 53 % 256, 255)
        ImageDraw.Draw(picture).ellipse((4, 4, 44, 44), fill=shade)
        picture.save(pictures / f"{code}.webp", lossless=True)
