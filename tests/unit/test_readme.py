"""What the README says is so: its commands are the ones that run, and its options are the ones there are."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import typer

from sdxl_desktop.cli.app import app
from sdxl_desktop.core.schedulers import SchedulerName

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def options_of(command: str) -> set[str]:
    group = typer.main.get_command(app)
    found = group.commands[command]  # type: ignore[attr-defined]
    return {name for parameter in found.params for name in parameter.opts if name.startswith("--")}


def test_every_option_of_generate_is_in_the_readme_and_none_else() -> None:
    table = README[README.index("| option of `generate`") : README.index("With `--json` the answer is")]
    assert set(re.findall(r"--[a-z0-9-]+", table)) - {"---"} == options_of("generate")


def test_every_scheduler_is_in_the_readme() -> None:
    for name in SchedulerName:
        assert f"`{name.value}`" in README


def test_continuous_integration_runs_the_readmes_test_command() -> None:
    command = 'python -m pip install ".[test]" && python -m tools.check'
    assert f"\n{command}\n" in README
    assert f"\n{command}\n" in (ROOT / ".ci" / "run").read_text(encoding="utf-8")


@pytest.mark.parametrize("page", ["README.md", "docs/architecture.md"])
def test_no_link_leads_nowhere(page: str) -> None:
    file = ROOT / page
    for target in re.findall(r"\]\(([^)#]+)\)", file.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (file.parent / target).exists(), target
