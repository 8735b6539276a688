"""`python -m sdxl_desktop`: the same as the `sdxl-desktop` command."""

from __future__ import annotations

import sys

from sdxl_desktop.main import main

if __name__ == "__main__":
    sys.exit(main())
