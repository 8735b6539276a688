"""The guide's building blocks: a command as typed and as run, a picture, a section."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass

PYTHON, PROGRAM = "python", "sdxl-desktop"


@dataclass(frozen=True, slots=True)
class Command:
    """A typed line: `python -c …` or `sdxl-desktop …`. File names in it are relative to the working folder."""

    words: tuple[str, ...]

    @property
    def typed(self) -> str:
        """Return it in POSIX shell syntax, with double quotes where possible, so that other shells read it too."""
        return " ".join(_quoted(word) for word in self.words)


def _quoted(word: str) -> str:
    if shlex.quote(word) == word:
        return word
    return f'"{word}"' if not set(word) & set('"$`\\!') else shlex.quote(word)


@dataclass(frozen=True, slots=True)
class Picture:
    """The file `NAME.png`, its caption in the guide, and the command that creates it; none if an earlier one has."""

    name: str
    caption: str
    command: Command | None = None


@dataclass(frozen=True, slots=True)
class Section:
    """A workflow: its title, its purpose, its pictures in a row, and commands that come before theirs."""

    title: str
    words: str
    pictures: tuple[Picture, ...] = ()
    before: tuple[Command, ...] = ()

    @property
    def commands(self) -> Iterator[Command]:
        """Yield all commands, in order."""
        yield from self.before
        yield from (picture.command for picture in self.pictures if picture.command)


def python_command(code: str) -> Command:
    return Command((PYTHON, "-c", code))


def drawn_picture(name: str, caption: str, prompt: str, options: str = "", *, seed: int = 3) -> Picture:
    """Return `sdxl-desktop generate` with `options` as typed, a seed and an output file."""
    words = (PROGRAM, "generate", prompt, *shlex.split(options), "--seed", str(seed), "-o", f"{name}.png")
    return Picture(name, caption, Command(words))


def existing_picture(name: str, caption: str) -> Picture:
    """Return a picture that an earlier command has created."""
    return Picture(name, caption)


def difference(name: str, first: str, second: str, times: int) -> Picture:
    """Return the difference of two pictures, amplified by `times` for visibility; black is no difference."""
    code = (
        "from PIL import Image, ImageChops; "
        f"pair = [Image.open(name).convert('RGB') for name in ('{first}.png', '{second}.png')]; "
        f"ImageChops.difference(*pair).point(lambda value: min(255, {times} * value)).save('{name}.png')"
    )
    return Picture(name, f"their difference × {times}", python_command(code))
