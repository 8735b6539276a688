"""LoRA tags in final prompts: from variants, shared by the pictures of a run, recorded beside what was typed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.core.prompt_source import PromptSource
from sdxl_desktop.core.request import GenerationRequest, Prompts, Sampling
from sdxl_desktop.library.additions.addition_scan import AdditionFolder
from sdxl_desktop.session.addition_library import AdditionLibrary
from sdxl_desktop.session.addition_notes import AdditionNotes
from sdxl_desktop.session.prompt_craft.prompt_builder import PromptBuilder
from sdxl_desktop.session.prompt_loras import with_prompt_loras
from tests.unit.library.additions.weight_files import write_lora


@pytest.fixture
def library(tmp_path: Path) -> AdditionLibrary:
    for name in ("ink", "pencil"):
        write_lora(tmp_path / "loras" / f"{name}.safetensors")
    notes = AdditionNotes(tmp_path / "additions.json", FileHashCache())
    return AdditionLibrary(lambda: [AdditionFolder(tmp_path / "loras")], notes)


def request_for(prompt: str, *, count: int = 1, seed: int = 3) -> GenerationRequest:
    asked = GenerationRequest(
        checkpoint=Path("x"), prompts=Prompts(prompt=prompt), sampling=Sampling(count=count, seed=seed)
    )
    return PromptBuilder().applied_to(asked, ())


def test_tags_of_a_variant_are_those_of_the_final_prompt(library: AdditionLibrary) -> None:
    final = request_for("a {cat|dog} <lora:{ink|pencil}:0.5>")
    made = with_prompt_loras(final, library)
    assert made.prompts.prompt in ("a cat ", "a dog ")
    assert f"<lora:{made.additions.loras[0].file.stem}:0.5>" in final.prompts.prompt
    assert made.typed_prompts is None, "the source says what was typed"
    source = PromptBuilder().recorded_source(made, 3)
    assert source.prompts.prompt == "a {cat|dog} <lora:{ink|pencil}:0.5>"


def test_the_pictures_of_a_run_have_prompts_of_their_own_and_the_same_loras(library: AdditionLibrary) -> None:
    made = with_prompt_loras(request_for("a {1|2|3|4|5} <lora:ink:0.5>", count=6), library)
    assert len(set(made.picture_prompts)) > 1
    assert all("lora" not in prompts.prompt for prompts in made.picture_prompts)
    assert [lora.weight for lora in made.additions.loras] == [0.5]
    with pytest.raises(RequestError, match="different LoRAs"):
        with_prompt_loras(request_for("a <lora:{ink|pencil}:1>", count=6), library)


def test_without_a_library_tags_are_text(library: AdditionLibrary) -> None:
    asked = request_for("a <lora:ink:1>")
    assert with_prompt_loras(asked, None) is asked
    plain = request_for("a cat")
    assert with_prompt_loras(plain, library) is plain


def test_a_changed_source_does_not_come_back(library: AdditionLibrary) -> None:
    made = with_prompt_loras(request_for("a {cat|dog} <lora:ink:0.5>"), library)
    other = PromptSource(prompts=Prompts(prompt="a bird <lora:ink:0.5>"), styles=(), expand_variants=True)
    typed = PromptBuilder().recorded_source(replace(made, prompt_source=other), 3)
    assert typed.prompts.prompt == made.prompts.prompt, "the encoded text, whose LoRAs are listed"
