"""The bundle's entry point: the same front door as `python -m sdxl_desktop`."""

from __future__ import annotations

import sys

from sdxl_desktop.main import main

sys.exit(main())
