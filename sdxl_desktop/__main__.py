"""The first thing that runs: `python -m sdxl_desktop` and the `sdxl-desktop` command, which are the same."""

from __future__ import annotations

import sys

from sdxl_desktop.core.import_path import drop_current_folder


def main() -> int:
    """Run the program with the process's own arguments; returns its exit code."""
    drop_current_folder()  # before anything else is imported
    from sdxl_desktop.main import main as run

    return run()


if __name__ == "__main__":
    sys.exit(main())
