"""`python -m tools.check` always ends, and names the test during which something hung or crashed."""

from __future__ import annotations

from pathlib import Path

import pytest

from tools import check

PROJECT = Path(__file__).resolve().parent.parent.parent


@pytest.fixture
def run_test(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of tests that the check called "tests" runs, in a process of its own."""
    file = tmp_path / "test_example.py"
    settings = ["--rootdir", str(PROJECT), "-c", str(PROJECT / "pyproject.toml"), "-p", "tests.conftest"]
    command = ["-m", "pytest", "-p", "no:cacheprovider", *settings, str(file)]
    monkeypatch.setitem(check.CHECKS, "tests", command)
    return file


def test_a_hang_ends_and_names_the_test(run_test: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_test.write_text("import time\ndef test_passes(): pass\ndef test_waits(): time.sleep(600)\n", encoding="utf-8")
    outcome = check.check("tests", limit=3)
    assert not outcome.passed
    assert "stopped after 3 s during" in str(outcome)
    assert "test_waits" in str(outcome)
    assert "test_passes" not in str(outcome)
    assert "time.sleep" not in str(outcome)
    assert "in test_waits" in capfd.readouterr().err, "the stack of the process that hung"


def test_a_crash_names_the_test(run_test: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_test.write_text("import os\ndef test_passes(): pass\ndef test_aborts(): os.abort()\n", encoding="utf-8")
    outcome = check.check("tests")
    assert not outcome.passed
    assert "SIGABRT during" in str(outcome)
    assert "test_aborts" in str(outcome)


@pytest.mark.slow
def test_what_passes_is_reported_as_passed(run_test: Path, capfd: pytest.CaptureFixture[str]) -> None:
    run_test.write_text("def test_passes(): pass\n", encoding="utf-8")
    outcome = check.check("tests")
    assert outcome.passed
    assert str(outcome).startswith("ok ")
