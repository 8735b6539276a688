"""`python -m tools.guide`: runs every command of the guide and writes docs/guide.md and its pictures.

The commands run through the program's entry point in this process, one after another, in an empty folder and with an
empty home: the same results as typing them after installation, without starting Python sixty times.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import shutil
import sys
import tempfile
import textwrap
from collections.abc import Iterator
from pathlib import Path

from PIL import Image

from sdxl_desktop.core.paths import HOME_VARIABLE
from sdxl_desktop.main import main as front_door
from tools.guide.commands import PYTHON, Command, Section
from tools.guide.sections import SECTIONS

DOCS = Path(__file__).resolve().parents[2] / "docs"
PICTURES = DOCS / "guide"
LINE = 120
SHOWN_SIDE = 160
"""The starter generates 64 × 64 pixels; the guide shows them enlarged to about this side."""

INTRODUCTION = """# What SDXL Desktop can draw

Every workflow of SDXL, with the command that was run and what came out, enlarged. The pictures are by the starter
checkpoints that come with the application. They are tiny: 64 × 64 pixels, trained on a thousand names of things on
plain backgrounds. So the pictures show the effect of each setting, not what a full SDXL checkpoint draws.

In the window the same settings are in the left column, and the canvas decides what a run does: without a picture it
draws from the prompt, a picture is drawn again, and of a picture with a mask only the masked part is drawn.

The commands are typed in an empty folder, in this order, since later ones use the pictures of earlier ones. `python` is
the one that the application is installed in. This page is made by `python -m tools.guide`, which runs them all.
"""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.guide", description=__doc__)
    parser.add_argument(
        "--work", type=Path, help="an empty folder to type in, which is kept (default: a temporary one)"
    )
    folder = parser.parse_args().work
    with contextlib.ExitStack() as stack:
        work = folder or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        os.environ[HOME_VARIABLE] = stack.enter_context(tempfile.TemporaryDirectory())
        work.mkdir(parents=True, exist_ok=True)
        stack.enter_context(contextlib.chdir(work))
        for section in SECTIONS:
            print(section.title, flush=True)
            for command in section.commands:
                run(command)
        write_guide(work.resolve())
    return 0


def run(command: Command) -> None:
    """Run the command; raises RuntimeError if it fails."""
    program, *arguments = command.words
    if program == PYTHON:
        exec(compile(arguments[1], "<typed>", "exec"), {})
    elif code := front_door(arguments):
        raise RuntimeError(f"Exit code {code}: {command.typed}")


def write_guide(work: Path) -> None:
    shutil.rmtree(PICTURES, ignore_errors=True)
    PICTURES.mkdir(parents=True)
    for name in {picture.name for section in SECTIONS for picture in section.pictures}:
        enlarge(work / f"{name}.png", PICTURES / f"{name}.png")
    pages = [INTRODUCTION, *("\n".join(page(section)) for section in SECTIONS)]
    (DOCS / "guide.md").write_text("\n".join(pages), encoding="utf-8")


def page(section: Section) -> Iterator[str]:
    """Yield the lines of a section: text, a row of pictures with captions, and the commands."""
    yield f"## {section.title}\n"
    yield textwrap.fill(section.words, LINE, break_on_hyphens=False, break_long_words=False) + "\n"
    if section.pictures:
        yield "| " + " | ".join(picture.caption for picture in section.pictures) + " |"
        yield "|" + " --- |" * len(section.pictures)
        cells = [f"![{picture.caption}](guide/{picture.name}.png)" for picture in section.pictures]
        yield "| " + " | ".join(cells) + " |\n"
    yield "```sh"
    yield from (command.typed for command in section.commands)
    yield "```\n"


def enlarge(source: Path, target: Path) -> None:
    """Enlarge small pictures by an integer factor, smoothly; copy large ones."""
    with Image.open(source) as opened:
        picture = opened.convert("RGB")
    factor = max(1, round(SHOWN_SIDE / max(picture.size)))
    picture = picture.resize((picture.width * factor, picture.height * factor), Image.Resampling.BICUBIC)
    picture.save(target, optimize=True)


if __name__ == "__main__":
    sys.exit(main())
