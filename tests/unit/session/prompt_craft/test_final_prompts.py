"""A request holds the final prompts of each picture and what was typed, and a picture's settings restore the latter."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdxl_desktop.core.checkpoint import Checkpoint, CheckpointKind, RecommendedSettings
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.events import Picture
from sdxl_desktop.core.geometry import Size
from sdxl_desktop.core.prompt_source import PromptSource
from sdxl_desktop.core.prompt_template import WildcardValue
from sdxl_desktop.core.request import Execution, GenerationRequest, Prompts, Sampling
from sdxl_desktop.core.run_log import format_request
from sdxl_desktop.core.workspace_value import WorkspaceValue
from sdxl_desktop.engine.fake_engine import gradient
from sdxl_desktop.metadata.picture_files import read_record, write_picture
from sdxl_desktop.session.prompt_craft.prompt_builder import PromptBuilder
from sdxl_desktop.session.prompt_craft.styles import Style, StyleSet
from sdxl_desktop.session.prompt_craft.wildcard_files import WildcardSet
from sdxl_desktop.session.workspace import Workspace

TYPED = "a {red|green|blue} __thing__"


class Craft:
    """The styles and wildcards that are there, which a test changes."""

    def __init__(self) -> None:
        self.styles: tuple[Style, ...] = (Style(name="Wet", prompt="wet {prompt}", negative_prompt="dry"),)
        self.things = ["cat", "dog", "bird"]
        self.expands = True
        self.builder = PromptBuilder(lambda: StyleSet(self.styles), self.wildcards, lambda: self.expands)

    def wildcards(self) -> WildcardSet:
        return WildcardSet({"thing": tuple(map(WildcardValue.parse, self.things))}) if self.things else WildcardSet()


@pytest.fixture
def craft() -> Craft:
    return Craft()


@pytest.fixture
def workspace(craft: Craft) -> Workspace:
    made = Workspace()
    made.prompt_builder = craft.builder
    about = {"title": "Base", "folder": Path("/library/base"), "recommended": RecommendedSettings(size=Size(64, 64))}
    made.set_checkpoints([Checkpoint(name="base", kind=CheckpointKind.BASE, **about)])  # type: ignore[arg-type]
    return made


def ask(
    workspace: Workspace, typed: str = TYPED, styles: tuple[str, ...] = ("Wet",), count: int = 4, seed: int = 11
) -> GenerationRequest:
    value = WorkspaceValue(
        prompts=Prompts(prompt=typed), styles=styles, sampling=Sampling(seed=seed, count=count), seed_locked=True
    )
    workspace.set_value(value)
    request = workspace.build_request(Execution())
    assert request is not None
    return request


def test_each_picture_has_the_prompt_of_its_own_seed(workspace: Workspace) -> None:
    run = ask(workspace)
    alone = [ask(workspace, count=1, seed=11 + number) for number in range(4)]
    assert [run.prompts_of(number) for number in range(4)] == [request.prompts for request in alone]
    assert len({request.prompts for request in alone}) > 1
    assert all(request.prompts.prompt.startswith("wet a ") for request in alone)
    assert run.prompts.negative_prompt == "dry"
    assert run.prompt_source == PromptSource(prompts=Prompts(prompt=TYPED), styles=("Wet",))


def test_a_plain_prompt_has_no_source(workspace: Workspace) -> None:
    request = ask(workspace, "a plain cat", ())
    assert (request.prompts.prompt, request.prompt_source, request.picture_prompts) == ("a plain cat", None, ())


def test_the_record_holds_both_and_restores_what_was_typed(workspace: Workspace, tmp_path: Path) -> None:
    run = ask(workspace)
    picture = Picture(pixels=gradient(run.sampling.size, 13), seed=13, index=2)
    file = tmp_path / "x.png"
    write_picture(file, picture, run.of_picture(2))
    record = read_record(file)
    assert record is not None
    assert record.request.prompts == run.prompts_of(2)
    assert record.request.prompt_source == run.prompt_source
    assert workspace.apply_recorded(record.request, record.seed) is None
    assert (workspace.value.prompts.prompt, workspace.value.styles) == (TYPED, ("Wet",))
    again = workspace.build_request(Execution())
    assert again is not None
    assert again.prompts == record.request.prompts


@pytest.mark.parametrize("change", ["no style", "another style", "no wildcard", "other wildcard", "off"])
def test_the_final_text_is_restored_if_the_typed_one_would_give_another(
    workspace: Workspace, craft: Craft, change: str
) -> None:
    request = ask(workspace, count=1)
    match change:
        case "no style":
            craft.styles = ()
        case "another style":
            craft.styles = (replace_prompt(craft.styles[0]),)
        case "no wildcard":
            craft.things = []
        case "other wildcard":
            craft.things = ["whale"]
        case "off":
            craft.expands = False
    warning = workspace.apply_recorded(request, 11)
    assert (workspace.value.prompts, workspace.value.styles) == (request.prompts, ())
    assert ("the style Wet" in str(warning)) == (change == "no style")
    again = workspace.build_request(Execution())
    assert again is not None
    assert again.prompts == request.prompts


def test_text_that_only_looks_like_variants_is_restored_as_text(workspace: Workspace) -> None:
    prompts = Prompts(prompt="a {red|blue} __thing__, 50% {x", negative_prompt="__none__")
    request = GenerationRequest(checkpoint=Path("base"), prompts=prompts, sampling=Sampling(seed=3))
    assert workspace.apply_recorded(request, 3) is None
    again = workspace.build_request(Execution())
    assert again is not None
    assert again.prompts == prompts


def replace_prompt(style: Style) -> Style:
    return Style(name=style.name, prompt="dry {prompt}")


def test_what_is_missing_prevents_a_run_before_a_seed_is_drawn(workspace: Workspace, craft: Craft) -> None:
    ask(workspace)
    craft.things = []
    assert [type(problem) for problem in workspace.problems()] == [RequestError]
    with pytest.raises(RequestError, match="thing"):
        workspace.build_request(Execution())
    workspace.set_value(replace(workspace.value, prompts=Prompts(prompt="x"), styles=("Gone",)))
    with pytest.raises(RequestError, match="Gone"):
        workspace.build_request(Execution())


def test_off_everything_is_text(workspace: Workspace, craft: Craft) -> None:
    craft.expands, craft.things = False, []
    assert ask(workspace, r"{a|b} __c__ \{", ()).prompts.prompt == r"{a|b} __c__ \{"


def test_combinations_become_requests_with_one_seed(workspace: Workspace) -> None:
    ask(workspace, count=2)
    assert workspace.count_combinations() == 9
    requests = workspace.build_combinations(Execution())
    assert requests is not None
    assert len({request.prompts for request in requests}) == 9
    assert {request.sampling.seeds for request in requests} == {(11, 12)}
    ask(workspace, "{a|b|c|d}" * 6, ())
    assert workspace.count_combinations() > 1000
    with pytest.raises(RequestError, match="combinations"):
        workspace.build_combinations(Execution())


def test_the_rest_of_a_run_keeps_its_prompts(workspace: Workspace) -> None:
    run = ask(workspace)
    rest = run.with_pictures(3, replace(run.sampling, seed=14, count=1))
    assert rest.prompts_of(0) == run.prompts_of(3)
    with pytest.raises(RequestError):
        replace(run, sampling=replace(run.sampling, count=3))


def test_the_log_holds_no_prompt(workspace: Workspace) -> None:
    line = format_request(ask(workspace))
    assert not any(word in line for word in ("red", "wet", "Wet", "thing", "cat"))
