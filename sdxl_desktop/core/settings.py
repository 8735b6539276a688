"""Every preference, declared once: type, default, label, range and help. The dialog, file and docs derive from it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from sdxl_desktop.core.backdrop import BACKDROPS, WHITE, is_backdrop
from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.request import (
    AUTOMATIC_DEVICE,
    Execution,
    KeepLatents,
    OutputOptions,
    Precision,
    PrecisionOverride,
)
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.core.workspace_value import WorkspaceValue

Theme = Literal["system", "light", "dark"]
SavedPictureFormat = Literal["png", "jpeg", "webp"]
PreferenceEditorKind = Literal["device", "number", "choice", "switch", "folder", "backdrop"]

DEFAULT_COMPILED_QUOTA_GB = 20

_ANY_DEVICE = ((AUTOMATIC_DEVICE, "Automatic"),)
_PRECISIONS = (("auto", "Automatic"), ("f32", "32-bit"), ("f16", "16-bit"), ("bf16", "bfloat16"))
_PART_DEVICE = (("", "Same as above"), *_ANY_DEVICE)


@dataclass(frozen=True, slots=True)
class PreferenceInfo:
    """How a preference is shown: label, help, editor, range and group. `choices` are all options, or with the editor
    "device" those in addition to the devices."""

    label: str
    help: str
    editor: PreferenceEditorKind
    group: str
    choices: tuple[tuple[str, str], ...] = ()
    minimum: int = 0
    maximum: int = 0


def _preference(default: Any, info: PreferenceInfo) -> Any:
    return field(default=default, metadata={"info": info})


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """The user's preferences for every picture."""

    device: str = _preference(
        "CPU",
        PreferenceInfo(
            "Device",
            "Which part of this computer draws. Automatic takes what was measured to be the fastest, else a GPU, else "
            "the processor, and says which. A missing device is reported; nothing falls back silently.",
            "device",
            "Drawing",
            choices=_ANY_DEVICE,
        ),
    )
    text_device: str = _preference(
        "",
        PreferenceInfo(
            "Text encoders on",
            "They read the prompt once for a picture, which takes little anywhere.",
            "device",
            "Drawing",
            choices=_PART_DEVICE,
        ),
    )
    unet_device: str = _preference(
        "",
        PreferenceInfo(
            "UNet on",
            "It draws, step by step: nearly all of the time and memory is its own.",
            "device",
            "Drawing",
            choices=_PART_DEVICE,
        ),
    )
    vae_device: str = _preference(
        "",
        PreferenceInfo(
            "VAE on",
            "It turns pictures into what the UNet sees and back. On a GPU it calculates in 32-bit unless the "
            "checkpoint is prepared for 16, which would turn pictures black.",
            "device",
            "Drawing",
            choices=_PART_DEVICE,
        ),
    )
    threads: int = _preference(
        0,
        PreferenceInfo(
            "Threads",
            "How many processor threads drawing may use. 0 means all of them. Other devices have no such setting.",
            "number",
            "Drawing",
            maximum=1024,
        ),
    )
    precision: Precision = _preference(
        "auto",
        PreferenceInfo(
            "Precision",
            "How exactly the device calculates. Automatic lets the device use the fastest it supports well; "
            "32-bit is slowest and safest. A device that lacks what you choose decides for itself.",
            "choice",
            "Drawing",
            choices=_PRECISIONS,
        ),
    )
    gpu_precision: PrecisionOverride = _preference(
        "",
        PreferenceInfo(
            "Precision on graphics",
            "For parts on a GPU alone. In 16-bit it is fastest; a VAE that would turn black there stays in 32-bit.",
            "choice",
            "Drawing",
            choices=(("", "Same as above"), *_PRECISIONS),
        ),
    )
    npu_precision: PrecisionOverride = _preference(
        "",
        PreferenceInfo(
            "Precision on NPUs",
            "For parts on an NPU alone, most of which calculate in 16-bit only.",
            "choice",
            "Drawing",
            choices=(("", "Same as above"), *_PRECISIONS),
        ),
    )
    preview: bool = _preference(
        True,
        PreferenceInfo("Live preview", "Show the picture while it forms. Costs almost nothing.", "switch", "Drawing"),
    )
    arrange_queue: bool = _preference(
        True,
        PreferenceInfo(
            "Arrange the queue",
            "Draw what needs the same checkpoint and size together, because loading and compiling others takes time. "
            "Priorities come first, what you drag keeps its place, and nothing waits for ever.",
            "switch",
            "Queue",
        ),
    )
    notify_when_done: bool = _preference(
        True,
        PreferenceInfo(
            "Notify when done",
            "Let the desktop show a notification when everything is drawn and the window is not in front. It never "
            "holds a prompt.",
            "switch",
            "Queue",
        ),
    )
    theme: Theme = _preference(
        "system",
        PreferenceInfo(
            "Theme",
            "Light, dark, or whatever the system uses.",
            "choice",
            "Appearance",
            choices=(("system", "Follow the system"), ("light", "Light"), ("dark", "Dark")),
        ),
    )
    autosave: bool = _preference(
        True,
        PreferenceInfo(
            "Keep every picture", "Write each finished picture to the pictures folder at once.", "switch", "Pictures"
        ),
    )
    picture_format: SavedPictureFormat = _preference(
        "png",
        PreferenceInfo(
            "Picture format",
            "PNG is exact and records how the picture was made; JPEG and WebP are smaller.",
            "choice",
            "Pictures",
            choices=(("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WebP")),
        ),
    )
    backdrop: str = _preference(
        WHITE,
        PreferenceInfo(
            "Behind transparency",
            "What shows through the transparent parts, soft edges and shadows of a picture that is opened. With one on "
            "the canvas, Edit, Transparency over puts it over something else.",
            "backdrop",
            "Pictures",
            choices=BACKDROPS,
        ),
    )
    watermark: bool = _preference(
        True,
        PreferenceInfo(
            "Invisible watermark",
            "Marks the pixels, invisibly, as machine-made, which helps others to tell. "
            "Pictures with a side under 256 pixels cannot carry it.",
            "switch",
            "Pictures",
        ),
    )
    declare_source: bool = _preference(
        True,
        PreferenceInfo(
            "Say that it is machine-made",
            "Writes into each file, as IPTC's digital source type, that a trained model made the picture or changed "
            "it. Programs and services read this. Pixels only, when exporting, leaves it out.",
            "switch",
            "Pictures",
        ),
    )
    keep_latents: KeepLatents = _preference(
        "final",
        PreferenceInfo(
            "Keep for later",
            "What stays in memory of how each picture was drawn. With the last step it can be decoded or refined "
            "again without being drawn again (0.3 MB for 1024 × 1024); with every step it can also branch off at any "
            "step with other words (8 MB for 30 steps).",
            "choice",
            "Pictures",
            choices=(("none", "Nothing"), ("final", "The last step"), ("steps", "Every step")),
        ),
    )
    pictures_folder: str = _preference(
        "", PreferenceInfo("Pictures folder", "Where finished pictures are written.", "folder", "Pictures")
    )
    checkpoints_folder: str = _preference(
        "",
        PreferenceInfo("Checkpoints folder", "Where your own checkpoints are looked for.", "folder", "Checkpoints"),
    )
    additions_folder: str = _preference(
        "",
        PreferenceInfo(
            "LoRAs and embeddings folder",
            "Where your LoRAs and embeddings are looked for, subfolders included, besides the application's own "
            "folders.",
            "folder",
            "Prompts",
        ),
    )
    lora_tags: bool = _preference(
        True,
        PreferenceInfo(
            "LoRAs in prompts",
            "Whether <lora:name:0.8> in a prompt adds the LoRA of that name. Otherwise it is read as text.",
            "switch",
            "Prompts",
        ),
    )
    completion: bool = _preference(
        True,
        PreferenceInfo(
            "Completion in prompts",
            "Suggest LoRAs, embeddings, trigger words and the tags of your tag list while you type.",
            "switch",
            "Prompts",
        ),
    )
    compiled_quota_gb: int = _preference(
        DEFAULT_COMPILED_QUOTA_GB,
        PreferenceInfo(
            "Space for compiled parts (GB)",
            "How much of the disk may hold what was compiled for your devices, so that it need not be compiled again. "
            "What was not used for longest goes first. 0 keeps only what is in use.",
            "number",
            "Checkpoints",
            maximum=10_000,
        ),
    )
    expand_variants: bool = _preference(
        True,
        PreferenceInfo(
            "Variants and wildcards",
            "Whether {red|blue} in a prompt stands for one of these words, and __name__ for a line of the wildcard "
            "file of that name. Off, both are text like any other.",
            "switch",
            "Prompts",
        ),
    )
    wildcards_folder: str = _preference(
        "",
        PreferenceInfo(
            "Wildcards folder",
            "Text files (one value per line) and YAML files for __name__ in prompts. Another program's folder can be "
            "chosen; the files in your own are used besides.",
            "folder",
            "Prompts",
        ),
    )
    prompt_history: bool = _preference(
        True,
        PreferenceInfo(
            "Remember prompts",
            "Keep the prompts you drew with, for Alt+Up in the prompt. They stay on this computer, and the log never "
            "holds them. Off, none is added; the history itself can be cleared.",
            "switch",
            "Prompts",
        ),
    )
    log_prompts: bool = _preference(
        False,
        PreferenceInfo(
            "Prompts in the log",
            "Whether the log, which you may send to somebody who helps you, also holds the prompts of each run. What "
            "is in it already stays. Help, Open the log shows it.",
            "switch",
            "Log",
        ),
    )

    def __post_init__(self) -> None:
        for declared in fields(self):
            info = preference_info(declared.name)
            value = getattr(self, declared.name)
            choices = [choice for choice, _ in info.choices]
            if info.editor == "choice" and value not in choices:
                raise SettingsError(f"{info.label} cannot be {display_text(repr(value))}.")
            if info.editor == "backdrop" and not is_backdrop(value):
                raise SettingsError(
                    f"{info.label} cannot be {display_text(repr(value))}.", next_step="Choose a colour such as #ffcc00."
                )
            if info.editor in ("device", "folder") and not _is_plain(value):
                raise SettingsError(f"{info.label} cannot be {display_text(repr(value))}.")
            if info.editor == "device" and not value.strip() and value not in choices:
                raise SettingsError(f"{info.label} is empty.", next_step="Choose a device.")
            if info.editor == "number" and not info.minimum <= value <= info.maximum:
                raise SettingsError(f"{info.label} must lie between {info.minimum} and {info.maximum}.")

    @property
    def execution(self) -> Execution:
        return Execution(
            device=self.device,
            text_device=self.text_device,
            unet_device=self.unet_device,
            vae_device=self.vae_device,
            threads=self.threads,
            precision=self.precision,
            gpu_precision=self.gpu_precision,
            npu_precision=self.npu_precision,
            preview=self.preview,
        )

    @property
    def output(self) -> OutputOptions:
        return OutputOptions(
            watermark=self.watermark, declare_source=self.declare_source, keep_latents=self.keep_latents
        )


_MAX_TEXT = 4096
"""Maximum characters of a folder path or a device name."""


def _is_plain(text: str) -> bool:
    """Whether `text` can be a name: of reasonable length and without control characters."""
    return len(text) <= _MAX_TEXT and text.isprintable()


def preference_info(name: str) -> PreferenceInfo:
    """Return how the preference `name` is shown."""
    info: PreferenceInfo = Preferences.__dataclass_fields__[name].metadata["info"]
    return info


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Everything that is stored between starts."""

    preferences: Preferences = Preferences()
    workspace: WorkspaceValue = WorkspaceValue()
