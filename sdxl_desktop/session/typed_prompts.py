"""What was typed for a recorded picture: prompts with styles, variants and LoRA tags, if they mean the same here."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, replace

from sdxl_desktop.core.additions import Additions
from sdxl_desktop.core.lora_tags import find_tags
from sdxl_desktop.core.prompt_source import PromptSource
from sdxl_desktop.core.request import GenerationRequest, Prompts
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.session.addition_library import AdditionLibrary
from sdxl_desktop.session.prompt_craft.prompt_builder import PromptBuilder
from sdxl_desktop.session.prompt_loras import recorded_prompts
from sdxl_desktop.session.settings_parts import RecordedSettings, SettingsPart

_TEXTS = frozenset({SettingsPart.PROMPT, SettingsPart.NEGATIVE_PROMPT})


@dataclass(frozen=True, slots=True)
class TypedPrompts:
    """Finds what was typed. `library` is where LoRA tags look up names, None if tags are text."""

    builder: PromptBuilder
    library: AdditionLibrary | None

    def restore(
        self, settings: RecordedSettings, parts: Collection[SettingsPart]
    ) -> tuple[RecordedSettings, tuple[str, ...], tuple[str, ...]]:
        """Return `settings` with the prompts to show in the panels, their styles, and the names of what they need and
        is missing here.

        The prompts are what was typed if that gives the recorded text again and all of it is among `parts`, else the
        final text.
        """
        request = settings.request
        if not _TEXTS & set(settings.parts) <= set(parts):
            request = replace(request, prompt_source=None, typed_prompts=None)
        typed, listed = self._source(request, settings.seed)
        wanted = () if request.prompt_source is None or typed.styles else request.prompt_source.styles
        missing = (*(f"the style {display_text(name, 60)}" for name in self.missing_styles(wanted)),)
        request = replace(request, prompts=typed.prompts, additions=listed)
        return replace(settings, request=request), typed.styles, (*missing, *self._unknown_loras(typed.prompts))

    def missing_styles(self, names: Sequence[str]) -> tuple[str, ...]:
        """Return those of the styles that are not here."""
        return self.builder.styles().missing(names) if names else ()

    def _source(self, request: GenerationRequest, seed: int) -> tuple[PromptSource, Additions]:
        """Return what gives the prompts again, and the additions to list: those that tags in these prompts add are not
        among them."""
        from_prompt = any(lora.from_prompt for lora in request.additions.loras)
        if not from_prompt and request.typed_prompts is None:
            return self.builder.recorded_source(request, seed), request.additions
        if self.library is None:
            encoded = replace(request, prompt_source=None)
            return self.builder.recorded_source(encoded, seed), request.additions
        shown = replace(request, prompts=request.typed_prompts or request.prompts)
        typed = self.builder.recorded_source(shown, seed)
        source = request.prompt_source
        if request.typed_prompts is None and (source is None or typed.prompts != source.prompts):
            return typed, request.additions
        return typed, recorded_prompts(request.prompts, typed.prompts, request.additions)[1]

    def _unknown_loras(self, prompts: Prompts) -> tuple[str, ...]:
        """Return the LoRAs that tags name and the library lacks."""
        if self.library is None:
            return ()
        names = dict.fromkeys(tag.name for tag in (*find_tags(prompts.prompt), *find_tags(prompts.prompt_2)))
        return tuple(f"the LoRA {display_text(name, 80)}" for name in names if not self.library.knows_lora(name))
