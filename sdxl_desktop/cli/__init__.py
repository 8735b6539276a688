"""The command line, with the same operations as the window: parsing, terminal progress, JSON and exit codes."""

from __future__ import annotations

from sdxl_desktop.cli.command_line import run

__all__ = ["run"]
