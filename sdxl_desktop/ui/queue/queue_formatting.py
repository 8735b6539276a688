"""The words of the queue's rows and headings."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from sdxl_desktop.core.checkpoint import Checkpoint
from sdxl_desktop.core.errors import SdxlDesktopError
from sdxl_desktop.core.request import GenerationMode, GenerationRequest
from sdxl_desktop.core.untrusted_text import display_text
from sdxl_desktop.session.current_run import CurrentRun
from sdxl_desktop.session.queue.generation_queue import GenerationQueue, Hold
from sdxl_desktop.session.queue.queue_item import ItemState, Priority, QueueItem

_MODES = {
    GenerationMode.TEXT_TO_IMAGE: "",
    GenerationMode.IMAGE_TO_IMAGE: "from a picture",
    GenerationMode.INPAINT: "masked area",
}
_MAX_PROMPT = 200


def format_count(count: int) -> str:
    """ "1 picture", "3 pictures"."""
    return f"{count} picture{'s' * (count != 1)}"


def checkpoint_title(folder: Path, checkpoints: Iterable[Checkpoint]) -> str:
    """Return the title of the checkpoint in `folder`; the folder's name if it is not there any more."""
    return next((one.title for one in checkpoints if one.folder == folder), display_text(folder.name, 40))


def prompt_line(request: GenerationRequest) -> str:
    """Return the prompt in one line."""
    prompt = " ".join(request.prompts.prompt.split())
    return display_text(prompt, _MAX_PROMPT) if prompt else "Without a prompt"


def item_facts(item: QueueItem, checkpoint_title: str, run: CurrentRun | None) -> str:
    """Return the second line of a row: its state, size, number of pictures and checkpoint."""
    size = item.request.sampling.size
    facts = (
        item_state(item, run),
        f"{size.width} × {size.height}",
        format_count(item.remaining) if item.remaining != 1 else "",
        _MODES[item.request.mode],
        checkpoint_title,
        "" if item.priority is Priority.NORMAL else f"{item.priority.label} priority",
        "keeps its place" if item.placed and item.state is ItemState.WAITING and item.start is None else "",
    )
    return " · ".join(fact for fact in facts if fact)


def item_state(item: QueueItem, run: CurrentRun | None) -> str:
    """Return the state of an item in words; "" for one that waits and has not begun."""
    match item.state:
        case ItemState.RUNNING if run is not None and run.item_id == item.id:
            if run.cancelling:
                return "Cancelling…"
            if run.pausing is not None:
                return "Pausing…"
            progress = run.progress
            steps = f"step {progress.step} of {progress.total}" if progress.step else progress.description
            return f"Drawing, {steps}"
        case ItemState.FAILED:
            return f"Failed: {display_text(item.error.splitlines()[0] if item.error else '', 120)}"
        case ItemState.PAUSED | ItemState.WAITING:
            begun = item.start
            if begun is not None and begun.step:
                return f"Paused at step {begun.step} of {begun.steps}"
            return "Paused" if item.state is ItemState.PAUSED else ""
    return ""


def queue_heading(queue: GenerationQueue) -> str:
    """Return how much is still to be drawn."""
    return f"{format_count(queue.remaining_pictures)} to be drawn" if queue.items else "The queue is empty"


def hold_text(queue: GenerationQueue, error: SdxlDesktopError | None, *, running: bool) -> str:
    """Return why nothing starts by itself; "" if it does."""
    if error is not None and not running and queue.waiting:
        return "Waiting after an error."
    match queue.hold:
        case Hold.USER:
            return "Paused. What you add waits until you continue."
        case Hold.START:
            return "Kept from the last time. Nothing is drawn until you continue."
    return ""


def is_rearranged(queue: GenerationQueue, listed: tuple[QueueItem, ...]) -> bool:
    """Whether the waiting items are `listed` in another order than that in which they were asked for."""
    plain = [item.id for item in sorted(queue.waiting, key=lambda item: -item.priority)]
    return [item.id for item in listed if item.state is ItemState.WAITING] != plain
