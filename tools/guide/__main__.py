"""`python -m tools.guide`: runs every command of the guide and writes docs/guide.md and its pictures."""

from __future__ import annotations

import shlex
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image

from tools.guide.sections import SECTIONS, Section, Shot

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
PICTURES = DOCS / "guide"
SHOWN_SIDE = 192
"""The starter checkpoint draws 64 × 64 pixels; the guide shows them enlarged."""

INTRODUCTION = """# What SDXL Desktop can draw

Every workflow of SDXL, with the command that was run and what came out, enlarged. The pictures are by the starter
checkpoints that ship with the application, which are tiny (64 × 64 pixels, taught on a few dozen names): they show
that each setting does what it says, not what a full SDXL checkpoint draws. In the window the same settings are in the
left column; what lies on the canvas decides what a run does: nothing means drawing from words, a picture redraws it,
a picture with a mask fills the masked area.

Made by `python -m tools.guide`.
"""


def main() -> int:
    PICTURES.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        work = Path(folder)
        _make_mask(work / "left.png")
        pages = [INTRODUCTION, *(_section(section, work) for section in SECTIONS)]
    (DOCS / "guide.md").write_text("\n".join(pages), encoding="utf-8")
    return 0


def _make_mask(file: Path) -> None:
    mask = Image.new("L", (64, 64), 0)
    mask.paste(255, (0, 0, 32, 64))
    mask.save(file)


def _section(section: Section, work: Path) -> str:
    print(section.title, flush=True)
    for shot in section.shots:
        _draw(shot, work)
    columns = [*section.shown, *((shot.name, shot.caption) for shot in section.shots)]
    for name, _ in columns:
        _enlarge(work / f"{name}.png", PICTURES / f"{name}.png")
    head = "| " + " | ".join(caption for _, caption in columns) + " |"
    rule = "|" + " --- |" * len(columns)
    row = "| " + " | ".join(f"![{caption}](guide/{name}.png)" for name, caption in columns) + " |"
    commands = "\n".join(_as_typed(shot) for shot in section.shots)
    return f"## {section.title}\n\n{section.words}\n\n{head}\n{rule}\n{row}\n\n```sh\n{commands}\n```\n"


def _draw(shot: Shot, work: Path) -> None:
    arguments = [argument.format(work=work) for argument in shot.arguments]
    command = [sys.executable, "-m", "sdxl_desktop", "generate", *arguments, "-o", str(work / f"{shot.name}.png")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def _as_typed(shot: Shot) -> str:
    arguments = [argument.replace("{work}/", "") for argument in shot.arguments]
    return shlex.join(["sdxl-desktop", "generate", *arguments, "-o", f"{shot.name}.png"])


def _enlarge(source: Path, target: Path) -> None:
    with Image.open(source) as image:
        shown = image.convert("RGB").resize((SHOWN_SIDE, SHOWN_SIDE), Image.Resampling.BICUBIC)
    shown.save(target, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
