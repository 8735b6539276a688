"""Shared by the tests of downloads: the address, and the check of a complete download."""

from __future__ import annotations

from pathlib import Path

from sdxl_desktop.library.hub.download_job import DownloadProgress
from sdxl_desktop.library.hub.download_paths import WORK_FOLDER_NAME
from sdxl_desktop.library.hub.hub_address import parse_address
from tests.unit.library.hub.conftest import REPO, unneeded
from tests.unit.library.hub.fake_hub import FakeHub

ADDRESS = parse_address(REPO)


def ignore_progress(progress: DownloadProgress) -> None:
    pass


def check_complete(hub: FakeHub, folder: Path) -> None:
    """Exactly the needed files are there, byte for byte, and nothing is left of the work."""
    found = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    assert found.pop("download.json")
    assert found == {path: data for path, data in hub.repositories[REPO].files.items() if not unneeded(path)}
    assert not (folder.parent / WORK_FOLDER_NAME).exists()
