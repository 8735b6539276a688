"""Reads what other tools put beside a LoRA: a preview picture, and a description in JSON.

| file | written by |
| --- | --- |
| `name.json` | AUTOMATIC1111's web UI and its forks: activation text, preferred weight, notes |
| `name.civitai.info` | Civitai Helper and others: the answer of Civitai's API about this version |
| `name.cm-info.json` | Stability Matrix |
| `name.preview.png`, `name.png`, also .jpg, .jpeg, .webp | all of them |

The files are untrusted: bounded, and a damaged one counts as missing. Addresses in them are never opened.
"""

from __future__ import annotations

import html
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdxl_desktop.core.additions import MAX_LORA_WEIGHT
from sdxl_desktop.core.untrusted_files import UntrustedFileError, read_json_object
from sdxl_desktop.core.untrusted_text import replace_unencodable

PICTURE_ENDINGS = (".preview.png", ".preview.jpg", ".preview.jpeg", ".preview.webp", ".png", ".jpg", ".jpeg", ".webp")
"""Endings of pictures beside a file, in order of preference."""
DESCRIPTION_ENDINGS = (".json", ".civitai.info", ".cm-info.json")
MAX_TRIGGER_WORDS = 50
MAX_PHRASE = 300
"""Maximum characters of one trigger phrase."""
MAX_DESCRIPTION = 4000
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
_MARKUP = re.compile(r"<(?:br|/p|/li|/h\d)[^<>]{0,200}>", re.IGNORECASE)
_OTHER_MARKUP = re.compile(r"</?[a-z][^<>]{0,1000}>", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sidecar:
    """What the files beside an addition say; empty values for what they do not."""

    trigger_words: tuple[str, ...] = ()
    preferred_weight: float | None = None
    base_model: str = ""
    title: str = ""
    author: str = ""
    description: str = ""
    notes: str = ""


def read_sidecars(file: Path, names: Mapping[str, str] | None = None) -> Sidecar:
    """Return what the descriptions beside `file` say together; of several that say the same, the first of
    `DESCRIPTION_ENDINGS` counts. `names` are those of the files in its folder, by their lower-case spelling; None:
    each is looked for."""
    found = [parse_description(content) for content in _descriptions(file, names)]
    return Sidecar(
        trigger_words=next((one.trigger_words for one in found if one.trigger_words), ()),
        preferred_weight=next((one.preferred_weight for one in found if one.preferred_weight is not None), None),
        **{
            name: next((value for one in found if (value := getattr(one, name))), "")
            for name in ("base_model", "title", "author", "description", "notes")
        },
    )


def find_picture(file: Path, names: Mapping[str, str]) -> Path | None:
    """Return the preview picture beside `file`; `names` as for `read_sidecars`."""
    known = (names.get(f"{file.stem}{ending}".lower()) for ending in PICTURE_ENDINGS)
    return next((file.with_name(name) for name in known if name is not None), None)


def parse_description(content: Mapping[str, Any]) -> Sidecar:
    """Return what one JSON object of any of the known forms says; values of other types are ignored."""
    model, creator = (_object(content.get(key)) for key in ("model", "creator"))
    return Sidecar(
        trigger_words=clean_phrases(_first(content, ("trainedWords", "TrainedWords", "activation text"))),
        preferred_weight=_weight(content.get("preferred weight")),
        base_model=_line(_first(content, ("sd version", "baseModel", "BaseModel")), 60),
        title=_line(model.get("name") or content.get("ModelName"), 120),
        author=_line(creator.get("username"), 80),
        description=plain_text(_first(content, ("description", "ModelDescription", "VersionDescription"))),
        notes=plain_text(content.get("notes")),
    )


def clean_phrases(value: object) -> tuple[str, ...]:
    """Return trigger words from a text or a list of texts: one line each, without duplicates, bounded."""
    if isinstance(value, str):
        value = [value]
    phrases = (_line(each, MAX_PHRASE).strip(" ,") for each in value[:1000]) if isinstance(value, list) else ()
    return tuple(dict.fromkeys(phrase for phrase in phrases if phrase))[:MAX_TRIGGER_WORDS]


def plain_text(value: object) -> str:
    """Return a description without HTML markup, bounded."""
    if not isinstance(value, str):
        return ""
    text = _OTHER_MARKUP.sub("", _MARKUP.sub("\n", value[: 10 * MAX_DESCRIPTION]))
    text = _UNPRINTABLE.sub("\ufffd", replace_unencodable(html.unescape(text)).replace("\r\n", "\n"))
    lines = (" ".join(line.split()) for line in text.splitlines())
    return re.sub(r"\n{3,}", "\n\n", "\n".join(lines)).strip()[:MAX_DESCRIPTION]


def _descriptions(file: Path, names: Mapping[str, str] | None) -> Iterator[dict[str, Any]]:
    for ending in DESCRIPTION_ENDINGS:
        name = f"{file.stem}{ending}"
        if names is not None:
            known = names.get(name.lower())
            if known is None:
                continue
            name = known
        try:
            yield read_json_object(file.with_name(name))
        except (UntrustedFileError, ValueError):
            continue


def _object(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _first(content: Mapping[str, Any], keys: tuple[str, ...]) -> object:
    return next((content[key] for key in keys if content.get(key)), None)


def _line(value: object, limit: int) -> str:
    if not isinstance(value, str):
        return ""
    return _UNPRINTABLE.sub("\ufffd", " ".join(replace_unencodable(value[: 4 * limit]).split()))[:limit]


def _weight(value: object) -> float | None:
    """The web UI writes 0 for "none"."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    usable = math.isfinite(value) and value != 0 and abs(value) <= MAX_LORA_WEIGHT
    return float(value) if usable else None
