"""Finds which program recorded how a picture was made, and reads it."""

from __future__ import annotations

from collections.abc import Callable

from sdxl_desktop.metadata.foreign.comfyui import read_comfyui
from sdxl_desktop.metadata.foreign.draw_things import read_draw_things
from sdxl_desktop.metadata.foreign.fooocus import read_fooocus
from sdxl_desktop.metadata.foreign.invokeai import read_invokeai
from sdxl_desktop.metadata.foreign.novelai import read_novelai
from sdxl_desktop.metadata.foreign.parameters_reader import read_parameters
from sdxl_desktop.metadata.foreign.record import ForeignRecord
from sdxl_desktop.metadata.picture_texts import PictureTexts

_EXIF_GRAPH_KEYS = ("ImageDescription", "Make", "Model", "Artist")
"""Where ComfyUI's nodes for WebP put "prompt:{…}" and "workflow:{…}"."""
_OWN_KEYS = ("parameters", "invokeai_metadata", "prompt", "workflow")
"""Keys that only programs of this kind use."""


class UnreadableRecordError(ValueError):
    """A record that is recognised and cannot be read; the message is a sentence."""


def read_foreign_record(found: PictureTexts) -> ForeignRecord | None:
    """Return what another program recorded in the texts of a picture, None if none did.

    Raises UnreadableRecordError for a record that is recognised and damaged.
    """
    texts = found.texts
    graph, layout = _graph_texts(found)
    attempts: tuple[Callable[[], ForeignRecord | None], ...] = (
        lambda: read_invokeai(texts.get("invokeai_metadata", "")),
        lambda: read_novelai(texts.get("Comment", ""), texts.get("Description", ""), texts.get("Source", "")),
        lambda: read_draw_things(found.xmp.get("UserComment", "")),
        lambda: _read_parameters(texts.get("parameters", ""), found),
        lambda: read_comfyui(graph, layout) if graph or layout else None,
        lambda: _read_parameters(found.user_comment, found),
        lambda: read_draw_things(found.user_comment),
        lambda: read_novelai(found.user_comment, texts.get("ImageDescription", "")),
    )
    for attempt in attempts:
        record = attempt()
        if record is not None:
            return record
    for key in _OWN_KEYS:
        if texts.get(key, "").strip():
            raise UnreadableRecordError(f"Its text {key!r} is damaged, or of a form that is not known here.")
    return None


def _read_parameters(text: str, found: PictureTexts) -> ForeignRecord | None:
    if text.lstrip().startswith("{"):
        return read_fooocus(text)
    return read_parameters(text, software=found.xmp.get("CreatorTool", found.texts.get("Software", "")))


def _graph_texts(found: PictureTexts) -> tuple[str, str]:
    """Return ComfyUI's graph and layout."""
    graph, layout = found.texts.get("prompt", ""), found.texts.get("workflow", "")
    for key in _EXIF_GRAPH_KEYS:
        name, _, text = found.texts.get(key, "").partition(":")
        if name.lower() == "prompt" and text.lstrip().startswith("{"):
            graph = graph or text
        elif name.lower() == "workflow" and text.lstrip().startswith("{"):
            layout = layout or text
    return graph, layout
