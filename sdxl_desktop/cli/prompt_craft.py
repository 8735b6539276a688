"""The styles, wildcards and preset of `generate`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from pathlib import Path
from typing import TYPE_CHECKING

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.core.file_hashes import FileHashCache
from sdxl_desktop.core.paths import AppPaths, expand_path
from sdxl_desktop.core.request import MAX_COUNT, GenerationRequest, MicroConditioning, Prompts, Sampling
from sdxl_desktop.core.scalars import scalars
from sdxl_desktop.core.settings import Preferences
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.core.workspace_value import AdditionsPanelState, RefinerPanelState
from sdxl_desktop.engine.compile_key import shared_file_hashes
from sdxl_desktop.session.addition_library import open_addition_library
from sdxl_desktop.session.addition_values import used
from sdxl_desktop.session.declared_values import Given
from sdxl_desktop.session.prompt_craft.preset_files import PresetStore, read_preset_file
from sdxl_desktop.session.prompt_craft.presets import PresetAdapter, SettingsPreset, find_adapter, with_adapters
from sdxl_desktop.session.prompt_craft.prompt_builder import PromptBuilder
from sdxl_desktop.session.prompt_craft.style_files import StyleStore
from sdxl_desktop.session.prompt_craft.styles import StyleSet
from sdxl_desktop.session.prompt_craft.wildcard_files import WildcardSet, load_wildcards, wildcard_folders
from sdxl_desktop.session.settings_store import SettingsStore

if TYPE_CHECKING:
    from sdxl_desktop.cli.options import Options

_VARIANTS = ("random", "all", "off")


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptCraft:
    """What `generate` puts on the prompt: the names of `styles`, the preset, and whether each picture takes a choice of
    its variants ("random"), each combination gets a picture ("all"), or none is expanded ("off"). `hash_of` and
    `adapter_files` find the preset's LoRAs and embeddings."""

    builder: PromptBuilder = field(default_factory=PromptBuilder)
    styles: tuple[str, ...] = ()
    preset: SettingsPreset | None = None
    variants: str = "random"
    hash_of: Callable[[Path], str] = lambda file: ""
    adapter_files: Sequence[Path] = ()

    @property
    def expands_variants(self) -> bool:
        return self.variants != "off"

    @property
    def checkpoint(self) -> str | None:
        """The preset's checkpoint, if it names one."""
        return (self.preset.checkpoint or None) if self.preset is not None else None

    def given_with_preset(self, given: Given) -> Given:
        """Return the given values, with those of the preset's prompts and micro-conditioning that are not given."""
        preset = self.preset
        if preset is None:
            return given
        made = {part: dict(values) for part, values in given.items()}
        if preset.count is not None and made.get(Sampling, {}).get("count") == Sampling().count:
            del made[Sampling]["count"]  # the option's default, which always counts as given
        if preset.sampling is not None:
            made.setdefault(Sampling, {}).setdefault("speed", preset.sampling.speed)
        scores = [name for name in scalars(MicroConditioning) if name in scalars(RefinerPanelState)]
        sizes = [name for name in scalars(MicroConditioning) if name not in scores]
        for part, held, names in (
            (Prompts, preset.prompts, tuple(scalars(Prompts))),
            (MicroConditioning, preset.micro_conditioning, sizes),
            (MicroConditioning, preset.refiner, scores),
        ):
            for name in names if held is not None else ():
                value = getattr(held, name)
                if name != "prompt" and value not in (None, "") and not made.get(part, {}).get(name):
                    made.setdefault(part, {})[name] = value
        return made

    def with_preset_adapters(self, additions: Additions, tell: Callable[[str], None]) -> Additions:
        """Return `additions` after those of the preset; missing ones are reported."""
        if self.preset is None or not self.preset.adapters:
            return additions

        def find(adapter: PresetAdapter) -> Path | None:
            return find_adapter(adapter, self.adapter_files, self.hash_of)

        held, missing = with_adapters(AdditionsPanelState(), self.preset.adapters, find)
        for name in missing:
            tell(f"The preset names {name}, which is not here; the picture is drawn without it.")
        own = used(held, Prompts(prompt=" ".join(one.token for one in held.embeddings)))
        tokens = {one.token for one in additions.embeddings}
        return replace(
            additions,
            loras=(*own.loras, *additions.loras),
            embeddings=(*(one for one in own.embeddings if one.token not in tokens), *additions.embeddings),
        )

    def with_final_prompts(self, request: GenerationRequest, tell: Callable[[str], None]) -> GenerationRequest:
        """Return `request` with styles put on its prompts and variants expanded; raises RequestError. With "all", it
        asks for one picture for each combination."""
        if self.variants != "all":
            return self.builder.applied_to(request, self.styles)
        source = self.builder.source(request.prompts, self.styles)
        found = self.builder.combinations(source)
        if len(found) > MAX_COUNT:
            raise RequestError(
                f"The prompt has more than {MAX_COUNT} combinations, and a run makes {MAX_COUNT} pictures at most.",
                next_step="Write fewer variants, or draw a number of random ones with --variants random --count N.",
            )
        tell(f"The prompt has {len(found)} combination{'s' if len(found) != 1 else ''}; each becomes a picture.")
        return replace(
            request,
            sampling=replace(request.sampling, count=len(found)),
            prompts=found[0],
            prompt_source=source,
            picture_prompts=found if len(found) > 1 else (),
        )


@dataclass(frozen=True)
class PromptCraftFiles:
    """The styles and wildcards on the disk, read once and when they are needed. Unusable files are reported to
    `tell`."""

    paths: AppPaths
    preferences: Preferences
    tell: Callable[[str], None]

    @cached_property
    def styles(self) -> StyleSet:
        return StyleStore.of(self.paths).load()

    @cached_property
    def wildcards(self) -> WildcardSet:
        found = load_wildcards(wildcard_folders(self.paths, self.preferences))
        for problem in found.problems:
            self.tell(problem)
        return found


def prompt_craft_for(options: Options, files: PromptCraftFiles) -> PromptCraft:
    """Return what the options name; raises RequestError for an unknown style or preset."""
    paths, preferences, tell = files.paths, files.preferences, files.tell
    variants = (options.variants or ("random" if preferences.expand_variants else "off")).lower()
    if variants not in _VARIANTS:
        raise RequestError(
            f"Variants cannot be {display_text(variants, 60)!r}.", next_step=f"Choose one of: {', '.join(_VARIANTS)}."
        )
    preset = None if options.preset is None else _preset(options.preset, paths, tell)
    builder = PromptBuilder(
        styles=lambda: files.styles,
        wildcards=lambda: files.wildcards,
        expands_variants=lambda: variants != "off",
    )
    named = (*(preset.styles or () if preset is not None else ()), *options.style)
    return PromptCraft(
        builder=builder,
        styles=tuple(dict.fromkeys(files.styles.named(name).name for name in named)),
        preset=preset,
        variants=variants,
        hash_of=partial(file_hash, shared_file_hashes(paths.cache)),
        adapter_files=_adapter_files(paths, preferences) if preset is not None and preset.adapters else (),
    )


def file_hash(hashes: FileHashCache, file: Path) -> str:
    """Return the hash of `file`, "" if it cannot be read."""
    try:
        return hashes.get(file)
    except OSError:
        return ""


def _preset(named: str, paths: AppPaths, tell: Callable[[str], None]) -> SettingsPreset:
    found = PresetStore(paths.presets).named(named)
    if found is not None:
        return found
    file = expand_path(named)
    if not file.is_file():
        raise RequestError(
            f"There is no preset called {display_text(named, 60)!r}, and no such file.",
            next_step="Save one in the window, or name a file that Export preset wrote.",
        )
    imported = read_preset_file(file)
    for problem in imported.problems:
        tell(problem)
    return imported.preset


def _adapter_files(paths: AppPaths, preferences: Preferences) -> tuple[Path, ...]:
    """Return the LoRAs and embeddings of the library, with those that ship, and those listed in the window."""
    listed = SettingsStore(paths.settings_file).load()[0].workspace.additions
    kept = (entry.file for entry in open_addition_library(paths, lambda: preferences).scan())
    return (*(lora.use.file for lora in listed.loras), *(one.file for one in listed.embeddings), *kept)
