"""Files that chance or malice changed are refused with a clear sentence, in little time and memory; nothing runs."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
_CHECK = """
import json, resource, sys, time
from pathlib import Path
from sdxl_desktop.core.errors import CheckpointError
from sdxl_desktop.library.convert.import_plan import plan_import
from sdxl_desktop.formats.families import Family
from tests.mutations import unusable_weights
from tests.unit.library.fake_safetensors import original_shapes

resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
folder, first, last = Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])
shapes = original_shapes(Family.VEGA)
for number in range(first, last):
    file = unusable_weights(number, shapes, folder / "mutated")
    started = time.perf_counter()
    try:
        plan_import(file, folder / "library")
        said = None
    except CheckpointError as refused:
        said = [refused.what, refused.why, refused.next_step]
    print(json.dumps([number, file.name, said, time.perf_counter() - started]), flush=True)
    file.unlink()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="it bounds the memory as POSIX does")
@pytest.mark.parametrize(
    ("first", "last"), [(0, 42), pytest.param(42, 300, marks=[pytest.mark.slow, pytest.mark.timeout(900)])]
)
def test_each_is_refused(tmp_path: Path, first: int, last: int) -> None:
    (tmp_path / "mutated").mkdir()
    done = subprocess.run(
        [sys.executable, "-c", _CHECK, str(tmp_path), str(first), str(last)],
        env={**os.environ, "PYTHONPATH": str(ROOT), "OPENBLAS_NUM_THREADS": "1"},
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(answers) == last - first
    assert [answer for answer in answers if answer[2] is None] == [], "each is refused"
    assert [answer for answer in answers if answer[3] > 10] == [], "within ten seconds"
    for _, _, (what, why, next_step), _ in answers:
        assert what.endswith(".")
        assert why
        assert next_step
        assert "Traceback" not in what + why
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["mutated"], "nothing was written"
    assert list((tmp_path / "mutated").iterdir()) == [], "and nothing was run"


def test_the_unchanged_file_is_taken(tmp_path: Path) -> None:
    from sdxl_desktop.formats.families import Family
    from sdxl_desktop.library.convert.import_plan import plan_import
    from tests.unit.library.fake_safetensors import original_shapes, write_sparse_file

    file = write_sparse_file(tmp_path / "x.safetensors", original_shapes(Family.VEGA))
    assert plan_import(file, tmp_path / "library").family is Family.VEGA
