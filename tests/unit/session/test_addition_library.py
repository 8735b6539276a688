"""Names in prompts and the LoRAs they mean: found, told apart, added to the request; weights and notes that stay."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdxl_desktop.core.additions import LoraReference
from sdxl_desktop.core.errors import AdditionError, RequestError
from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.library.additions.addition_entry import AdditionEntry
from sdxl_desktop.library.additions.addition_scan import AdditionFolder
from sdxl_desktop.session.addition_library import AdditionLibrary, UnknownLoraError
from sdxl_desktop.session.addition_notes import AdditionNotes
from sdxl_desktop.session.prompt_loras import recorded_prompts, resolve_lora_tags
from tests.unit.library.additions.weight_files import write_embedding, write_lora


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    home = tmp_path / "loras"
    write_lora(home / "Ink Wash.safetensors", {"ss_output_name": "inkwash_v3"})
    write_lora(home / "styles" / "pencil.safetensors")
    write_lora(home / "people" / "Pencil.safetensors", {"modelspec.title": "P"})
    write_embedding(home / "mood.safetensors")
    (home / "cut.safetensors").write_bytes(b"no")
    return home


@pytest.fixture(params=["read", "not read yet"])
def library(folder: Path, tmp_path: Path, request: pytest.FixtureRequest) -> AdditionLibrary:
    notes = AdditionNotes(tmp_path / "state" / "additions.json", FileHashCache())
    made = AdditionLibrary(lambda: [AdditionFolder(folder)], notes)
    if request.param == "read":
        made.set_entries(made.scan())
    return made


@pytest.mark.parametrize("name", ["Ink Wash", "ink wash", " INK   WASH ", "ink wash.safetensors"])
def test_a_name_is_the_stem_in_any_case(library: AdditionLibrary, name: str) -> None:
    assert library.find_lora(name).file.name == "Ink Wash.safetensors"


def test_a_subfolder_tells_two_of_one_name_apart(library: AdditionLibrary, folder: Path) -> None:
    assert library.find_lora("styles/pencil").file == folder / "styles" / "pencil.safetensors"
    assert library.find_lora("Styles\\Pencil").file == folder / "styles" / "pencil.safetensors"
    assert library.find_lora("pencil").file == folder / "people" / "Pencil.safetensors", "the first one"


def test_the_trainer_s_name_and_duplicates_are_known_after_reading(library: AdditionLibrary) -> None:
    library.set_entries(library.scan())
    assert library.find_lora("inkwash_v3").name == "Ink Wash"
    assert {name: len(same) for name, same in library.duplicates().items()} == {"Pencil": 2}
    assert library.knows_lora("inkwash_V3")
    assert not library.knows_lora("mood"), "an embedding is no LoRA"


@pytest.mark.parametrize(("name", "near"), [("penicl", "encil"), ("inkwash", "Ink Wash"), ("wash", "Ink Wash")])
def test_an_unknown_name_is_an_error_that_names_similar_ones(library: AdditionLibrary, name: str, near: str) -> None:
    with pytest.raises(UnknownLoraError, match=near) as caught:
        library.find_lora(name)
    assert caught.value.name == name
    assert caught.value.next_step


def test_a_damaged_file_is_an_error(library: AdditionLibrary) -> None:
    with pytest.raises(AdditionError, match="cut"):
        library.find_lora("cut")


def test_tags_become_loras_and_leave_the_text(library: AdditionLibrary, folder: Path) -> None:
    typed = Prompts(
        prompt="a cat <lora:Ink Wash:0.5>, <lora:styles/pencil:1:0.25>sitting <lora:ink wash:0.25>",
        prompt_2="words <lora:Ink Wash:0.5><lora:people/pencil>",
        negative_prompt="<lora:nothing:1> grey",
        clip_skip=1,
    )
    found = resolve_lora_tags(typed, library)
    assert found.typed == typed
    assert found.prompts == Prompts(
        prompt="a cat , sitting ", prompt_2="words ", negative_prompt="<lora:nothing:1> grey", clip_skip=1
    )
    ink, pencil = folder / "Ink Wash.safetensors", folder / "styles" / "pencil.safetensors"
    assert found.loras == (
        LoraReference(ink, 0.5, from_prompt=True),
        LoraReference(pencil, 1.0, 0.25, from_prompt=True),
        LoraReference(ink, 0.25, from_prompt=True),
        LoraReference(folder / "people" / "Pencil.safetensors", 1.0, from_prompt=True),
    )


def test_without_tags_nothing_is_changed(library: AdditionLibrary) -> None:
    typed = Prompts(prompt="a cat", negative_prompt="<lora:x:1>")
    found = resolve_lora_tags(typed, library)
    assert (found.prompts, found.typed, found.loras) == (typed, None, ())


def test_unknown_ones_can_be_left_out_but_malformed_ones_cannot(library: AdditionLibrary) -> None:
    typed = Prompts(prompt="a <lora:nothing:1><lora:Ink Wash:2>")
    with pytest.raises(UnknownLoraError):
        resolve_lora_tags(typed, library)
    found = resolve_lora_tags(typed, library, leave_out_unknown=True)
    assert [lora.file.stem for lora in found.loras] == ["Ink Wash"]
    assert found.prompts.prompt == "a "
    with pytest.raises(RequestError, match="character 3"):
        resolve_lora_tags(Prompts(prompt="a <lora:Ink Wash:many>"), library, leave_out_unknown=True)


def test_what_is_shown_again_has_the_tags_and_not_their_loras_twice(library: AdditionLibrary) -> None:
    from sdxl_desktop.core.additions import Additions

    typed = Prompts(prompt="a <lora:Ink Wash:0.5>")
    found, own = resolve_lora_tags(typed, library), LoraReference(Path("own.safetensors"), 0.3)
    additions = Additions(loras=(own, *found.loras))
    assert recorded_prompts(found.prompts, found.typed, additions) == (typed, Additions(loras=(own,)))
    assert recorded_prompts(found.prompts, None, additions) == (found.prompts, additions), "tags are text now"


def entry_of(library: AdditionLibrary, name: str) -> AdditionEntry:
    library.set_entries(library.scan())
    return library.find_lora(name)


def test_a_default_weight_stays_with_the_content_of_the_file(library: AdditionLibrary, folder: Path) -> None:
    ink = entry_of(library, "Ink Wash")
    library.notes.set_weight(ink, 0.45)
    library.notes.set_notes(ink, "soft\nand pale")
    (folder / "moved").mkdir()
    ink.file.rename(folder / "moved" / "other name.safetensors")
    moved = entry_of(library, "other name")
    assert (moved.weight, moved.notes) == (0.45, "soft\nand pale")
    assert resolve_lora_tags(Prompts(prompt="<lora:other name>"), library).loras[0].weight == 0.45
    assert resolve_lora_tags(Prompts(prompt="<lora:other name:1>"), library).loras[0].weight == 1
    library.notes.set_weight(moved, None)
    assert entry_of(library, "other name").weight == 1.0
    with pytest.raises(RequestError):
        library.notes.set_weight(moved, 11)


def test_notes_that_cannot_be_read_count_as_none(library: AdditionLibrary) -> None:
    library.notes.set_weight(entry_of(library, "Ink Wash"), 0.45)
    library.notes.file.write_text('{"notes": {"x": 3, "y": {"bytes": "many"}}')
    assert entry_of(library, "Ink Wash").weight == 1.0
