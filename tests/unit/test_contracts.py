"""The rules of the house can fail: each import contract is broken once on purpose, in a copy, and must object."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LAYERS = "Imports go one way, downwards"
NO_QT = "No Qt below the bridge"
WEIGHTS = "Only the engine and the library load weights"
FORMATS = "Formats read descriptions of weights, and load none"
HISTORY = "The history indexes picture files, and knows no engine and no library"
DATABASE = "Only the history uses the database's libraries"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy")
    shutil.copytree(
        ROOT / "sdxl_desktop", folder / "sdxl_desktop", ignore=shutil.ignore_patterns("__pycache__", "resources")
    )
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint_imports(folder: Path) -> tuple[int, str]:
    code = "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports(no_cache=True))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder), "COLUMNS": "200"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    return done.returncode, done.stdout + done.stderr


def test_the_contracts_hold(copy: Path) -> None:
    code, words = lint_imports(copy)
    assert code == 0, words
    assert f"{LAYERS} KEPT" in words
    assert f"{NO_QT} KEPT" in words
    assert f"{WEIGHTS} KEPT" in words
    assert f"{FORMATS} KEPT" in words
    assert f"{HISTORY} KEPT" in words
    assert f"{DATABASE} KEPT" in words


@pytest.mark.parametrize(
    ("file", "planted", "contract"),
    [
        ("core/geometry.py", "import sdxl_desktop.metadata.picture_files", LAYERS),
        pytest.param("library/scan.py", "import sdxl_desktop.metadata.picture_files", LAYERS, marks=pytest.mark.slow),
        pytest.param(
            "imaging/mask_operations.py", "import sdxl_desktop.metadata.picture_files", LAYERS, marks=pytest.mark.slow
        ),
        ("formats/safetensors_header.py", "import sdxl_desktop.library.scan", LAYERS),
        ("history/entries.py", "import sdxl_desktop.session.result_files", LAYERS),
        ("history/entries.py", "import sdxl_desktop.library.scan", HISTORY),
        pytest.param("history/store.py", "import PySide6.QtCore", NO_QT, marks=pytest.mark.slow),
        ("session/result_files.py", "def later():\n    import sqlalchemy", DATABASE),
        ("formats/key_mapping.py", "def later():\n    from safetensors import safe_open", FORMATS),
        pytest.param(
            "formats/lora_keys.py", "import sdxl_desktop.engine.engine_protocol", FORMATS, marks=pytest.mark.slow
        ),
        ("workers/process.py", "import sdxl_desktop.engine.engine_protocol", LAYERS),
        ("workers/jobs.py", "def later():\n    import PySide6.QtCore", NO_QT),
        ("workers/memory.py", "def later():\n    import openvino", WEIGHTS),
        ("imaging/mask_operations.py", "import PySide6.QtCore", NO_QT),
        ("imaging/mask_operations.py", "import torch", WEIGHTS),
        pytest.param(
            "session/generation_session.py", "import sdxl_desktop.bridge.engine_thread", LAYERS, marks=pytest.mark.slow
        ),
        ("bridge/engine_thread.py", "import sdxl_desktop.cli", LAYERS),
        pytest.param("metadata/picture_files.py", "import PySide6.QtCore", NO_QT, marks=pytest.mark.slow),
        pytest.param("lora/lycoris.py", "import sdxl_desktop.engine.engine_protocol", LAYERS, marks=pytest.mark.slow),
        ("engine/fake_engine.py", "def later():\n    import qasync", NO_QT),
        ("ui/stylesheet.py", "import openvino", WEIGHTS),
        pytest.param(
            "bridge/engine_thread.py", "import sdxl_desktop.engine.openvino.devices", WEIGHTS, marks=pytest.mark.slow
        ),
    ],
)
def test_a_broken_contract_is_noticed(copy: Path, file: str, planted: str, contract: str) -> None:
    broken = copy / "sdxl_desktop" / file
    before = broken.read_text(encoding="utf-8")
    broken.write_text(f"{before}\n\n{planted}\n", encoding="utf-8")
    try:
        code, words = lint_imports(copy)
    finally:
        broken.write_text(before, encoding="utf-8")
    assert code != 0
    assert f"{contract} BROKEN" in words
