"""A batch that is killed at random moments goes on: no picture is lost, and none is drawn twice."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest

from sdxl_desktop.metadata.picture_files import read_record
from tests.e2e.window_driver import ROOT

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROWS = 12


def test_a_batch_killed_at_random_moments_loses_nothing(tmp_path: Path, home: Path) -> None:
    rows = tmp_path / "rows.jsonl"
    rows.write_text("\n".join(json.dumps({"prompt": f"a red heart {n}", "steps": 2, "seed": n}) for n in range(ROWS)))
    folder = tmp_path / "out"
    command = [sys.executable, "-m", "sdxl_desktop", "batch", str(rows), "-o", str(folder), "--resume"]
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "SDXL_DESKTOP_HOME": str(home)}
    rng = random.Random("batch")
    for _ in range(8):
        process = subprocess.Popen(command, env=environment, cwd=tmp_path, stderr=subprocess.DEVNULL)
        time.sleep(rng.uniform(1.0, 8.0))
        process.kill()
        process.wait()
        before = {path.name: path.read_bytes() for path in folder.glob("*.png")}
    done = subprocess.run(command, env=environment, cwd=tmp_path, capture_output=True, check=True)
    assert b"not drawn" not in done.stderr
    pictures = list(folder.glob("*.png"))
    assert all((folder / name).read_bytes() == content for name, content in before.items())
    seeds = Counter(record.seed for record in map(read_record, pictures) if record is not None)
    assert seeds == Counter(range(ROWS))
