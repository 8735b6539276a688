"""Where a document is kept: the file that Save writes to, and what of the document a file holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True, eq=False)
class SaveState:
    """Belongs to one picture for as long as it is worked on, and comes back with it when undo brings it back.

    `file` is what the document was saved to or, a project, opened from: Save writes there without asking. A picture
    that was opened from elsewhere has none: its file is an original, which nobody replaces unasked. `state` is that of
    the document when it was the same as in a file, None when it never was; `whole`: the file keeps the mask too.
    """

    file: Path | None = None
    state: int | None = None
    includes_mask: bool = False

    def mark_saved(self, file: Path | None, state: int, *, includes_mask: bool) -> None:
        """The document at `state` is in `file`; None: in one that it was opened from."""
        self.file, self.state, self.includes_mask = file, state, includes_mask
