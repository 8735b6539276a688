"""What the pages say is so: their commands are the ones that run, and no page links to nothing."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import typer

from sdxl_desktop.cli.command_line import app
from sdxl_desktop.core.schedulers import SchedulerName
from tools.guide.commands import PROGRAM, Command
from tools.guide.sections import SECTIONS

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
COMMAND_LINE = (ROOT / "docs" / "command-line.md").read_text(encoding="utf-8")


def options_of(command: str) -> set[str]:
    group = typer.main.get_command(app)
    found = group.commands[command]  # type: ignore[attr-defined]
    names = {name for parameter in found.params for name in (*parameter.opts, *parameter.secondary_opts)}
    return {name for name in names if name.startswith("--")}


def test_every_option_of_generate_is_on_the_page_and_none_else() -> None:
    table = COMMAND_LINE.partition("| option of `generate`")[2].partition("With `--json` the answer is")[0]
    assert set(re.findall(r"--[a-z0-9-]+", table)) - {"---"} == options_of("generate")


def test_every_scheduler_is_on_the_page() -> None:
    for name in SchedulerName:
        assert f"`{name.value}`" in COMMAND_LINE


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    command = 'python -m pip install ".[test]" && python -m tools.check'
    assert f"\n{command}\n" in README
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


PAGES = sorted(str(page.relative_to(ROOT)) for page in (*ROOT.glob("*.md"), *ROOT.glob("docs/*.md")))
COMMANDS = [command for section in SECTIONS for command in section.commands]
GENERATED = [command for command in COMMANDS if command.words[0] == PROGRAM]


@pytest.mark.parametrize("page", PAGES)
def test_no_link_leads_nowhere(page: str) -> None:
    file = ROOT / page
    for target in re.findall(r"\]\(([^)#]+)\)", file.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (file.parent / target).exists(), target


def test_the_guide_shows_the_commands_that_it_was_made_with() -> None:
    guide = (ROOT / "docs" / "guide.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", guide, re.DOTALL)
    assert "".join(blocks).splitlines() == [command.typed for command in COMMANDS]
    assert all(tuple(shlex.split(command.typed)) == command.words for command in COMMANDS)


@pytest.mark.parametrize("command", GENERATED, ids=lambda command: Path(command.words[-1]).stem)
def test_every_command_of_the_guide_is_one_that_there_is(command: Command) -> None:
    group = typer.main.get_command(app)
    assert command.words[1] == "generate"
    # Parses the options and refuses those that there are not; nothing is drawn.
    group.commands["generate"].make_context("generate", list(command.words[2:]))  # type: ignore[attr-defined]


def test_the_guide_uses_no_file_before_it_is_there() -> None:
    there = {"additions/sepia.safetensors", "additions/magenta.safetensors"}
    for command in COMMANDS:
        for option, name in zip(command.words, command.words[1:], strict=False):
            if option in ("--image", "--mask", "--from-latents", "--lora"):
                assert name.partition(":")[0] in there, command.typed
            if option in ("-o", "--latents-out"):
                there.add(name)
        there |= set(re.findall(r"save\('([^']+)'\)", command.words[-1]))


def test_the_guides_pictures_stay_small() -> None:
    pictures = list((ROOT / "docs" / "guide").iterdir())
    assert pictures
    assert sum(picture.stat().st_size for picture in pictures) <= 1_500_000
