"""Draws the previews of the shipped styles with the starter checkpoint: `python -m tools.style_previews`.

The starter knows glossy things, backgrounds and places in the picture, and hardly a painter's technique. A preview is
drawn for each style whose words are all among those it was taught; the others have none.
"""

from __future__ import annotations

import re
import sys
import threading
from pathlib import Path

from PIL import Image

from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.events import EngineEvent, Picture, PictureFinished, RunFailed
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.paths import AppPaths, resources_folder
from sdxl_desktop.core.request import GenerationRequest, OutputOptions, Prompts, Sampling
from sdxl_desktop.engine.openvino.engine import OpenVinoEngine
from sdxl_desktop.session.prompt_craft.style_files import preview_file, read_shipped
from sdxl_desktop.session.prompt_craft.styles import PLACEHOLDER, Style, apply_styles
from tools.starter.compose import COLOURS

SUBJECT = "a red apple"
SEED = 7
MAX_BYTES = 400_000
_PLACING = {"a", "an", "on", "in", "at", "to", "of", "the", "left", "right", "top", "bottom", "background", "gradient"}
_TAUGHT = {word for colour in COLOURS for word in colour.split()} | _PLACING | {"3d", "render"}


def is_taught(style: Style) -> bool:
    """Whether the starter was taught every word of the style, and the style says something."""
    words = re.findall(r"[a-z0-9]+", style.prompt.replace(PLACEHOLDER, " ").lower())
    return bool(words) and set(words) <= _TAUGHT


def draw(engine: OpenVinoEngine, style: Style) -> Picture:
    """Return the starter's picture of the subject in `style`; raises the engine's error."""
    finished: list[Picture] = []

    def handle(event: EngineEvent) -> None:
        match event:
            case PictureFinished():
                finished.append(event.picture)
            case RunFailed():
                raise SystemExit(str(event.error))

    prompts = apply_styles(Prompts(prompt=SUBJECT), [style])
    request = GenerationRequest(
        checkpoint=resources_folder() / "checkpoints" / "starter",
        prompts=prompts,
        sampling=Sampling(seed=SEED, steps=20, guidance_scale=2.0, size=Size(64, 64)),
        output=OutputOptions(watermark=False),
    )
    engine.generate(request, handle, threading.Event())
    return finished[0]


def main() -> int:
    """Draw all previews anew; return 1 if they are too large together."""
    folder = resources_folder() / "styles"
    for old in (folder / "previews").glob("*.webp"):
        old.unlink()
    engine = OpenVinoEngine(AppPaths.from_environment())
    total = 0
    for style in filter(is_taught, read_shipped(folder)):
        file: Path = preview_file(folder, style)
        file.parent.mkdir(exist_ok=True)
        Image.fromarray(draw(engine, style).pixels, "RGB").save(file, "WEBP", quality=90, method=6)
        total += file.stat().st_size
        print(file.name)
    engine.close()
    print(f"{total} bytes")
    return int(total > MAX_BYTES)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except SdxlDesktopError as problem:
        sys.exit(str(problem))
