"""After a crash the next start finds the document; after an orderly end it finds nothing; two windows do not fight."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from sdxl_desktop.session.document.autosave import Autosave, recoverable
from sdxl_desktop.session.document.project import Project, ProjectError

_WRITER = """
import sys
from pathlib import Path
import numpy as np
from sdxl_desktop.session.document.autosave import Autosave
from sdxl_desktop.session.document.project import Project

autosave = Autosave(Path(sys.argv[1]))
picture = np.random.default_rng(0).integers(0, 255, (256, 256, 3), dtype=np.uint8)
revision = 0
while True:
    revision += 1
    mask = np.full((256, 256), revision % 256, np.uint8)
    autosave.write(Project(picture=picture, mask=mask, request=str(revision)), revision)
    print(revision, flush=True)
"""


def crash(folder: Path, revision: int = 1) -> None:
    """Leave what a process leaves that is killed after writing."""
    code = (
        "import os, sys; from pathlib import Path;"
        "from sdxl_desktop.session.document.autosave import Autosave;"
        "from sdxl_desktop.session.document.project import Project;"
        f"Autosave(Path(sys.argv[1])).write(Project(request='{revision}'), {revision}); os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code, str(folder)], check=False, timeout=60)


def test_a_crash_leaves_a_document_to_recover(tmp_path: Path) -> None:
    crash(tmp_path / "recovery", 7)
    (found,) = recoverable(tmp_path / "recovery")
    assert found.load().request == "7"
    assert abs(found.seconds - time.time()) < 60
    found.discard()
    assert recoverable(tmp_path / "recovery") == ()
    assert not list((tmp_path / "recovery").iterdir())


def test_an_orderly_end_leaves_nothing(tmp_path: Path) -> None:
    autosave = Autosave(tmp_path)
    autosave.write(Project(request="1"), 1)
    autosave.close()
    autosave.write(Project(request="2"), 2)  # a worker that comes late
    autosave.close()
    assert not list(tmp_path.iterdir())
    assert recoverable(tmp_path) == ()


def test_a_window_that_is_open_is_not_offered_to_another(tmp_path: Path) -> None:
    autosave = Autosave(tmp_path)
    autosave.write(Project(request="1"), 1)
    assert recoverable(tmp_path) == ()
    assert autosave.file.exists()
    autosave.close()


def test_of_two_windows_that_start_only_one_offers_it(tmp_path: Path) -> None:
    crash(tmp_path)
    (first,) = recoverable(tmp_path)
    assert recoverable(tmp_path) == ()
    first.leave()
    (again,) = recoverable(tmp_path)
    again.discard()


def test_only_what_changed_is_due(tmp_path: Path) -> None:
    autosave = Autosave(tmp_path)
    assert not autosave.due(0)
    assert autosave.due(3)
    autosave.write(Project(), 3)
    assert not autosave.due(3)
    autosave.write(Project(request="older"), 2)
    assert autosave.saved_revision == 3
    autosave.clear(4)
    assert not autosave.file.exists()
    assert not autosave.due(4)
    autosave.close()


def test_a_document_that_cannot_be_kept_is_an_error_in_words(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    autosave = Autosave(tmp_path / "file")
    with pytest.raises(ProjectError, match="recovery"):
        autosave.write(Project(), 1)
    assert recoverable(tmp_path / "file") == ()


def test_a_damaged_document_is_told_when_it_is_opened(tmp_path: Path) -> None:
    crash(tmp_path)
    (file,) = tmp_path.glob("*.sdxld")
    file.write_bytes(b"damaged")
    (found,) = recoverable(tmp_path)
    with pytest.raises(ProjectError, match="damaged"):
        found.load()
    found.discard()


@pytest.mark.skipif(sys.platform == "win32", reason="kills by signal")
def test_killed_while_it_writes_there_is_always_the_last_or_the_last_but_one(tmp_path: Path) -> None:
    random = np.random.default_rng(1)
    for _ in range(8):
        writer = subprocess.Popen(
            [sys.executable, "-c", _WRITER, str(tmp_path)],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(float(random.uniform(0, 0.15)))
        writer.send_signal(signal.SIGKILL)
        told = [int(line) for line in writer.stdout.read().split()]
        writer.wait()
        writer.stdout.close()
        (found,) = recoverable(tmp_path)
        project = found.load()
        revision = int(project.request)
        assert revision >= max(told, default=1)
        assert project.mask is not None
        assert (project.mask == revision % 256).all()
        found.discard()
        assert not list(tmp_path.iterdir()), "half-written files are swept away"
