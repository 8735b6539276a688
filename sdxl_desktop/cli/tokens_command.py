"""`tokens`: shows how a checkpoint's text encoders split a prompt."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import typer
from rich.console import Console

from sdxl_desktop.cli.entry_points import EntryPoints
from sdxl_desktop.cli.generate_run import library_for, load_preferences
from sdxl_desktop.cli.input_files import read_additions
from sdxl_desktop.cli.json_report import json_line
from sdxl_desktop.cli.terminal_encoding import decode_argument
from sdxl_desktop.core.checkpoint import CheckpointKind
from sdxl_desktop.core.lora_tags import remove_tags
from sdxl_desktop.core.request import Prompts
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.library.token_view import EncoderTokens, PromptToken, TokenChunk, TokenViewer


def tokens(
    context: typer.Context,
    prompt: Annotated[str, typer.Argument(help="The prompt.", show_default=False)],
    checkpoint: Annotated[
        str | None,
        typer.Option(metavar="NAME|FOLDER", help="A checkpoint of your library, or a folder of OpenVINO SDXL parts."),
    ] = None,
    prompt_2: Annotated[
        str, typer.Option("--prompt-2", metavar="TEXT", help="Words for the second text encoder alone.")
    ] = "",
    embedding: Annotated[
        list[str] | None,
        typer.Option(metavar="FILE[:TOKEN]", help="A textual inversion and its word in the prompt. Repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> int:
    """Show how the text encoders split a prompt: tokens, chunks of 75, weights."""
    entry_points: EntryPoints = context.obj
    paths = entry_points.paths()
    preferences = load_preferences(paths, Console(stderr=True))
    library = library_for(paths, preferences)
    found = library.default_checkpoint() if checkpoint is None else library.find_checkpoint(checkpoint)
    additions = read_additions((), tuple(embedding or ()), None)
    typed = Prompts(prompt=decode_argument(prompt), prompt_2=decode_argument(prompt_2))
    texts = [remove_tags(text) if preferences.lora_tags else text for text in (typed.prompt, typed.prompt_2)]
    viewer = TokenViewer(found.folder, additions.embeddings, is_refiner=found.kind is CheckpointKind.REFINER)
    encoders = viewer.view(*texts)
    if as_json:
        print(json_line({"checkpoint": found.name, "encoders": [_report(encoder) for encoder in encoders]}))
        return 0
    for encoder in encoders:
        typer.echo("\n".join(_lines(encoder)))
    return 0


def _lines(encoder: EncoderTokens) -> Iterator[str]:
    chunks = f"{len(encoder.chunks)} chunk{'s' if len(encoder.chunks) > 1 else ''}"
    yield f"{encoder.encoder}: {len(encoder.tokens)} tokens in {chunks}"
    for number, chunk in enumerate(encoder.chunks, 1):
        after = ", after BREAK" if chunk.begins_section else ""
        yield f"  chunk {number}: {len(chunk.tokens)} / {encoder.capacity}{after}"
        yield from (f"    {line}" for line in _words(chunk))


def _words(chunk: TokenChunk) -> Iterator[str]:
    """Yield the tokens of one weight on a line, a blank after each word, "·" between the parts of one."""
    weight, line = 1.0, ""
    for token in chunk.tokens:
        if token.weight != weight and line:
            yield f"{weight:<5.3g} {line.rstrip('· ')}"
            line = ""
        weight = token.weight
        line += _shown(token) + (" " if token.ends_word or token.embedding else "·")
    if line:
        yield f"{weight:<5.3g} {line.rstrip('· ')}"


def _shown(token: PromptToken) -> str:
    text = display_text(token.text, 60) or "·"
    if token.embedding:
        return f"{{{text}}}"
    return f"?{text}?" if token.is_unknown else text


def _report(encoder: EncoderTokens) -> dict[str, object]:
    return {
        "encoder": encoder.encoder,
        "tokens": len(encoder.tokens),
        "capacity": encoder.capacity,
        "chunks": [
            {
                "begins_section": chunk.begins_section,
                "input_ids": list(encoder.input_ids(chunk)),
                "tokens": [
                    {
                        "text": token.text,
                        "id": token.id,
                        "weight": token.weight,
                        "ends_word": token.ends_word,
                        "unknown": token.is_unknown,
                        "embedding": token.embedding or None,
                    }
                    for token in chunk.tokens
                ],
            }
            for chunk in encoder.chunks
        ],
    }
