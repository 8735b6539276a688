"""Every preference, declared once: its type, default, label, range and help. The dialog, file and docs follow it."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from sdxl_desktop.core.errors import SettingsError
from sdxl_desktop.core.request import (
    Execution,
    MicroConditioning,
    Precision,
    Prompts,
    Sampling,
)

Theme = Literal["system", "light", "dark"]
PictureFormat = Literal["png", "jpeg", "webp"]
Editor = Literal["device", "number", "choice", "switch", "folder"]


@dataclass(frozen=True, slots=True)
class PreferenceInfo:
    """How a preference is shown: what it is called, what it means, how it is edited, what it may be and with what
    others it belongs together."""

    label: str
    help: str
    editor: Editor
    group: str
    choices: tuple[tuple[str, str], ...] = ()
    minimum: int = 0
    maximum: int = 0


def _preference(default: Any, info: PreferenceInfo) -> Any:
    return field(default=default, metadata={"info": info})


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferences:
    """What a person chose once for every picture."""

    device: str = _preference(
        "CPU",
        PreferenceInfo(
            "Device",
            "Which part of this computer draws. If it is missing the app says so; it never falls back silently.",
            "device",
            "Drawing",
        ),
    )
    threads: int = _preference(
        0,
        PreferenceInfo(
            "Threads",
            "How many processor threads drawing may use. 0 means all of them.",
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
            "32-bit is slowest and safest.",
            "choice",
            "Drawing",
            choices=(("auto", "Automatic"), ("f32", "32-bit"), ("f16", "16-bit"), ("bf16", "bfloat16")),
        ),
    )
    preview: bool = _preference(
        True,
        PreferenceInfo("Live preview", "Show the picture while it forms. Costs almost nothing.", "switch", "Drawing"),
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
    picture_format: PictureFormat = _preference(
        "png",
        PreferenceInfo(
            "Picture format",
            "PNG is exact and records how the picture was made; JPEG and WebP are smaller.",
            "choice",
            "Pictures",
            choices=(("png", "PNG"), ("jpeg", "JPEG"), ("webp", "WebP")),
        ),
    )
    pictures_folder: str = _preference(
        "", PreferenceInfo("Pictures folder", "Where finished pictures are written.", "folder", "Pictures")
    )
    checkpoints_folder: str = _preference(
        "",
        PreferenceInfo("Checkpoints folder", "Where your own checkpoints are looked for.", "folder", "Checkpoints"),
    )

    def __post_init__(self) -> None:
        for declared in fields(self):
            info = preference_info(declared.name)
            value = getattr(self, declared.name)
            if info.choices and value not in [choice for choice, _ in info.choices]:
                raise SettingsError(f"{info.label} cannot be {value!r}.")
            if info.editor == "number" and not info.minimum <= value <= info.maximum:
                raise SettingsError(f"{info.label} must lie between {info.minimum} and {info.maximum}.")

    @property
    def execution(self) -> Execution:
        return Execution(device=self.device, threads=self.threads, precision=self.precision, preview=self.preview)


def preference_info(name: str) -> PreferenceInfo:
    """How the preference called `name` is shown."""
    info: PreferenceInfo = Preferences.__dataclass_fields__[name].metadata["info"]
    return info


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """What was on the desk when the window closed: the panels' values and the window's layout.

    `checkpoint` is a library name (empty: the first there is); `geometry` and `layout` are Qt's opaque states as
    base64; `seed_locked` keeps the seed between runs; `open_sections` names the disclosures that were open.
    """

    prompts: Prompts = Prompts()
    sampling: Sampling | None = None
    micro_conditioning: MicroConditioning = MicroConditioning()
    micro_conditioning_on: bool = False
    checkpoint: str = ""
    seed_locked: bool = False
    open_sections: tuple[str, ...] = ()
    geometry: str = ""
    layout: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """All that is kept between starts."""

    preferences: Preferences = Preferences()
    workspace: Workspace = Workspace()
