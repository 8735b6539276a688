"""Where a document is saved: the file that Save writes to, and which state of the document a file holds."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(slots=True, eq=False)
class SaveState:
    """Belongs to one picture while it is edited, and is restored with it by undo.

    `file` is the file the document was saved to or, for a project, opened from: Save writes there without asking. A
    picture opened from elsewhere has none, since originals are never replaced without asking. `state` is the document's
    state when it last matched a file, None if it never did; `includes_mask`: the file also holds the mask.
    """

    file: Path | None = None
    state: int | None = None
    includes_mask: bool = False

    def mark_saved(self, file: Path | None, state: int, *, includes_mask: bool) -> None:
        """The document at `state` is saved in `file`, or, if None, in the file it was opened from."""
        self.file, self.state, self.includes_mask = file, state, includes_mask
