"""Entry point of `python -m sdxl_desktop` and of the `sdxl-desktop` command."""

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
