"""Downloads the two openly licensed packages of the pictures and their names."""

import subprocess
import tarfile
from pathlib import Path

PACKAGES = {"pictures": "@lobehub/fluent-emoji-3d@1.1.0", "names": "emojibase-data@17.0.0"}


def fetch(data: Path) -> None:
    """Download and unpack each package into `data/src/<role>`; existing ones are kept."""
    for role, package in PACKAGES.items():
        target = data / "src" / role
        if target.is_dir():
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        packed = subprocess.run(
            ["npm", "pack", "--silent", package],
            cwd=target.parent,
            check=True,
            capture_output=True,
            text=True,
        )
        archive = target.parent / packed.stdout.split()[-1]
        with tarfile.open(archive) as tar:
            tar.extractall(target, filter="data")
        archive.unlink()
