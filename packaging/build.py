"""Builds the bundle with one command: `python packaging/build.py`. It ends up in dist/sdxl-desktop.

Needs the `bundle` extra: `python -m pip install ".[bundle]"`.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUNDLE = ROOT / "dist" / "sdxl-desktop"
FOR_THE_DESKTOP = (
    ROOT / "packaging" / "sdxl-desktop.desktop",
    ROOT / "packaging" / "sdxl-desktop-mime.xml",
    ROOT / "packaging" / "sdxl-desktop.metainfo.xml",
    ROOT / "resources" / "icons" / "sdxl-desktop.svg",
)
"""What a Linux desktop needs for its menu, and to open files by a double click (docs/bundle.md)."""


def main() -> int:
    started = time.monotonic()
    command = [sys.executable, "-m", "PyInstaller", "--noconfirm", "--log-level", "WARN"]
    command += ["--distpath", str(ROOT / "dist"), "--workpath", str(ROOT / "build" / "bundle")]
    code = subprocess.run([*command, str(ROOT / "packaging" / "sdxl_desktop.spec")], cwd=ROOT, check=False).returncode
    if code:
        return code
    for file in FOR_THE_DESKTOP:
        shutil.copy(file, BUNDLE)
    size = sum(file.stat().st_size for file in BUNDLE.rglob("*") if file.is_file() and not file.is_symlink())
    print(f"{BUNDLE} · {size / 1e9:.2f} GB · {time.monotonic() - started:.0f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
