"""Reads trigger words, training tags, names and the thumbnail from the metadata of a .safetensors file.

The keys are those of kohya's trainers (`ss_…`) and of the ModelSpec standard (`modelspec.…`). Values are untrusted.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Mapping

from sdxl_desktop.library.additions.sidecar_files import clean_phrases, plain_text

MAX_TAGS = 40
MAX_THUMBNAIL_BYTES = 4 * 2**20
_MAX_TAG_TEXT = 8 * 2**20
_MAX_TAG = 100
_TRIGGER_SHARE = 0.95
"""A tag in nearly all captions of the training set is a trigger word; the first of them."""
_MAX_GUESSED = 3
_THUMBNAIL = re.compile(r"data:image/(?:jpeg|jpg|png|webp);base64,", re.IGNORECASE)
_THUMBNAIL_KEY = "modelspec.thumbnail"


def trigger_phrases(metadata: Mapping[str, str]) -> tuple[str, ...]:
    """Return the trigger words that the metadata declares."""
    return clean_phrases(metadata.get("modelspec.trigger_phrase", ""))


def training_tags(metadata: Mapping[str, str]) -> tuple[tuple[str, int], ...]:
    """Return the tags of the training captions and how often each occurs, the most frequent first; empty if there are
    none or they cannot be read."""
    text = metadata.get("ss_tag_frequency", "")
    if not text or len(text) > _MAX_TAG_TEXT:
        return ()
    try:
        folders = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    counts: Counter[str] = Counter()
    for tags in folders.values() if isinstance(folders, dict) else ():
        for tag, count in tags.items() if isinstance(tags, dict) else ():
            if type(count) is int and 0 < count < 2**40 and (word := next(iter(clean_phrases(tag[:_MAX_TAG])), "")):
                counts[word] += count
    return tuple(counts.most_common(MAX_TAGS))


def guess_trigger_words(tags: tuple[tuple[str, int], ...]) -> tuple[str, ...]:
    """Return the tags that nearly every training caption has."""
    if not tags:
        return ()
    highest = tags[0][1]
    return tuple(tag for tag, count in tags[:_MAX_GUESSED] if count >= highest * _TRIGGER_SHARE)


def has_thumbnail(metadata: Mapping[str, str]) -> bool:
    """Whether the metadata holds a picture as a data URL of a usable length."""
    value = metadata.get(_THUMBNAIL_KEY, "")
    return bool(_THUMBNAIL.match(value)) and len(value) <= MAX_THUMBNAIL_BYTES * 4 // 3 + 64


def thumbnail_bytes(metadata: Mapping[str, str]) -> bytes | None:
    """Return the encoded picture in the metadata; None if there is none. Addresses are never opened."""
    if not has_thumbnail(metadata):
        return None
    value = metadata[_THUMBNAIL_KEY]
    try:
        return base64.b64decode(value[value.index(",") + 1 :], validate=True)
    except (binascii.Error, ValueError):
        return None


def described(metadata: Mapping[str, str]) -> dict[str, str]:
    """Return title, alias, author and description from the metadata, for an entry."""

    def line(key: str) -> str:
        return next(iter(clean_phrases(metadata.get(key, ""))), "")[:120]

    return {
        "title": line("modelspec.title"),
        "alias": line("ss_output_name"),
        "author": line("modelspec.author"),
        "description": plain_text(metadata.get("modelspec.description", "") or metadata.get("ss_training_comment", "")),
    }
