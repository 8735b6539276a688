"""Find the checkpoint that a record names among the available ones, even if it was moved or renamed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from sdxl_desktop.core.additions import file_name_only
from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.engine.checkpoint_id import is_comparable


def find_recorded_checkpoint(
    recorded: Path, content_id: str, known: Sequence[Checkpoint], content_of: Callable[[Path], str]
) -> tuple[Checkpoint | None, bool]:
    """Return the recorded checkpoint, and whether its weights differ from those that made the picture.

    The checkpoint in the recorded folder is used, else the one of that name, unless another matches the recorded
    `content_id`: a renamed checkpoint is found by its content alone. None if there is none. `content_of` returns the
    content id of a checkpoint's folder, "" if unknown.
    """
    named = next((one for one in known if one.folder == recorded), None)
    if named is None:
        name = file_name_only(recorded).name
        named = next((one for one in known if one.name == name), None)
    if not content_id:
        return named, False
    if named is not None:
        here = content_of(named.folder)
        if here == content_id or not is_comparable(here, content_id):
            return named, False
    same = next((one for one in known if content_of(one.folder) == content_id), None)
    return (same, False) if same is not None else (named, named is not None)


def reuse_warning(missing: Sequence[str], chosen: str, *, differs: bool) -> CheckpointError | None:
    """Return the warning after settings were reused without `missing`; None if nothing is missing. `chosen` is the
    current checkpoint; `differs`: its weights differ from those of that name that made the picture."""
    if missing:
        return CheckpointError(
            f"Not here: {_listed(missing)}.",
            why="The other settings of the picture were taken over"
            + (f"; {chosen} stays chosen." if any(words.startswith("the checkpoint") for words in missing) else "."),
            next_step="Add what is missing and use the settings again, or go on with what there is.",
        )
    if differs:
        return CheckpointError(
            f"{chosen} has other weights than the checkpoint of that name that drew the picture.",
            next_step="Draw with it all the same, or choose another checkpoint.",
        )
    return None


def _listed(words: Sequence[str]) -> str:
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"
