"""The history keeps the last distinct prompts, for the person alone."""

from __future__ import annotations

import stat
from pathlib import Path

from sdxl_desktop.core.request import Prompts
from sdxl_desktop.session.prompt_craft.prompt_history import MAX_PROMPTS, PromptHistory, UsedPrompt


def test_the_newest_comes_first_and_none_twice(tmp_path: Path) -> None:
    history = PromptHistory(tmp_path / "data" / "prompts.json")
    cat = UsedPrompt.of(Prompts(prompt="a cat", negative_prompt="dog"), ("Watercolour",))
    for used in (cat, UsedPrompt(prompt="a {red|blue} hat"), UsedPrompt(prompt=" "), cat):
        history.add(used)
    assert [used.prompt for used in history.load()] == ["a cat", "a {red|blue} hat"]
    assert cat.matches("CAT water")
    assert not cat.matches("cat hat")
    history.delete(cat)
    assert [used.prompt for used in history.load()] == ["a {red|blue} hat"]
    history.clear()
    assert history.load() == ()


def test_it_is_bounded_and_private(tmp_path: Path) -> None:
    history = PromptHistory(tmp_path / "data" / "prompts.json")
    history.file.parent.mkdir()
    history.file.write_text('{"prompts": [' + ",".join(f'{{"prompt": "p{n}"}}' for n in range(500)) + ', 5, "x"]}')
    history.add(UsedPrompt(prompt="new"))
    assert len(history.load()) == MAX_PROMPTS
    assert history.load()[0].prompt == "new"
    assert stat.S_IMODE(history.file.stat().st_mode) == 0o600
    history.file.write_text("no json")
    assert history.load() == ()
