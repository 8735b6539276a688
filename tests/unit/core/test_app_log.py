"""The application's log: private, bounded, without tokens, home folders and, unless allowed, prompts."""

from __future__ import annotations

import logging
import stat
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sdxl_desktop import __version__
from sdxl_desktop.cli import run
from sdxl_desktop.core import app_log
from sdxl_desktop.core.app_log import MAX_BYTES, MAX_RECORD, add_secret, allow_prompts, application_log
from sdxl_desktop.core.errors import RequestError, UnexpectedError, wrap_error
from sdxl_desktop.core.paths import LOG_FILE, AppPaths
from sdxl_desktop.core.prompt_grammar import parse_fragments
from sdxl_desktop.core.request import GenerationRequest, Prompts, Sampling
from sdxl_desktop.core.run_log import format_error, format_request, prompts_extra
from sdxl_desktop.library.scan import Library
from tests.unit.cli.helpers import FakeEntryPoints

LOG = logging.getLogger("sdxl_desktop.tests")


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    """The folder of a log that is open."""
    with application_log(tmp_path / "logs"):
        yield tmp_path / "logs"
    allow_prompts(False)


def written(folder: Path) -> str:
    return (folder / LOG_FILE).read_text(encoding="utf-8")


def test_nothing_is_made_before_something_is_logged(folder: Path) -> None:
    assert not folder.exists()


def test_it_begins_with_what_a_report_needs(folder: Path) -> None:
    LOG.info("something")
    first = written(folder).splitlines()[0]
    assert f"SDXL Desktop {__version__}" in first
    assert "Python" in first
    assert "openvino" in first
    assert sys.platform.capitalize()[:5] in first


@pytest.mark.skipif(sys.platform == "win32", reason="modes are POSIX's")
def test_only_the_user_can_read_it(folder: Path) -> None:
    LOG.info("something")
    assert stat.S_IMODE((folder / LOG_FILE).stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_it_stays_within_bounds(folder: Path) -> None:
    for number in range(5):
        LOG.info("%s", "x" * (MAX_RECORD * 3))
        assert (folder / LOG_FILE).stat().st_size < (number + 1) * (MAX_RECORD + 300) + 1000
    for _ in range(4 * MAX_BYTES // MAX_RECORD):
        LOG.info("%s", "y" * MAX_RECORD)
    files = list(folder.iterdir())
    assert 1 < len(files) <= 1 + app_log.BACKUPS
    assert all(file.stat().st_size <= MAX_BYTES + MAX_RECORD for file in files)
    assert all(__version__ in file.read_text(encoding="utf-8")[:300] for file in files), "each says what wrote it"


def test_what_another_process_put_aside_is_not_written_to_any_more(folder: Path) -> None:
    LOG.info("before")
    (folder / LOG_FILE).rename(folder / "old")
    LOG.info("after")
    assert "after" in written(folder)
    assert "after" not in (folder / "old").read_text(encoding="utf-8")


def test_where_it_cannot_be_written_nothing_is_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "logs").write_text("in the way")
    with application_log(tmp_path / "logs"):
        LOG.error("lost")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("home", ["ann", "ann b", "Zoë"])
def test_the_home_folder_is_a_tilde(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, home: str) -> None:
    own = tmp_path / home
    own.mkdir()
    monkeypatch.setenv("HOME", str(own))
    monkeypatch.setenv("USERPROFILE", str(own))
    try:
        raise OSError(2, "No such file", str(own / "x.png"))
    except OSError:
        LOG.exception("%s and %s, not %s", own / "a" / "b", f"'{own}'", f"{own}-other")
    LOG.info("%s", (own / "a").as_uri())
    text = written(folder)
    assert "~/a/b and '~', not " in text.replace("\\", "/")
    assert "'~/x.png'" in text.replace("\\\\", "/")
    assert f"{own}-other" in text
    assert text.count(str(own)) == 1


@pytest.mark.parametrize(
    "words",
    [
        "hf_AbCdEfGhIjKlMnOpQrStUvWx",
        "Authorization: Bearer s3cr3t.t0ken_value",
        "https://ann:s3cr3tvalue@mirror.example/x",
        "https://cdn.example/x?X-Amz-Signature=s3cr3tvalue&y=1",
        "{'token': 's3cr3tvalue', 'b': 1}",
        "the token is my-own-mirror-tok",
    ],
)
def test_it_never_holds_a_token(folder: Path, words: str) -> None:
    add_secret("my-own-mirror-tok")
    LOG.warning("Asked with %s", words)
    try:
        raise ValueError(words)
    except ValueError:
        LOG.exception("again")
    for secret in ("AbCdEf", "s3cr3t", "my-own-mirror"):
        assert secret not in written(folder)


def test_a_prompt_of_a_letter_does_not_make_other_lines_unreadable(folder: Path) -> None:
    for prompt in ("a", "x."):
        request = GenerationRequest(checkpoint=Path("/c"), prompts=Prompts(prompt=prompt), sampling=Sampling())
        LOG.info("run", extra=prompts_extra(request))
    LOG.info("a.png and x.png lie in a folder")
    assert "a.png and x.png lie in a folder" in written(folder)


def test_a_token_from_the_environment_is_kept_out(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", "plainwords")
    LOG.info("refused plainwords")
    assert "plainwords" not in written(folder)


REQUEST = GenerationRequest(
    checkpoint=Path("/somewhere/starter"),
    prompts=Prompts(prompt="My Secret garden, (with roses:1.2)\nat night", negative_prompt="weeds and 'thorns'"),
    sampling=Sampling(steps=17, seed=4711),
)


def log_run() -> None:
    LOG.info("Run: %s", format_request(REQUEST), extra=prompts_extra(REQUEST))


def test_a_run_is_logged_without_its_prompts(folder: Path) -> None:
    log_run()
    text = written(folder)
    assert "text-to-image" in text
    assert "sampling.steps=17" in text
    assert "sampling.seed=4711" in text
    assert "/somewhere/starter" in text
    assert not [word for word in ("garden", "roses", "night", "weeds", "thorns") if word in text.lower()]


@pytest.mark.parametrize(
    "quoted",
    [
        "My Secret garden, (with roses:1.2)\nat night",
        "My Secret garden, (with roses:1.2) at night",
        "/pictures/my-secret-garden-with-roses-1-2-at-night-4711.png",
        "There is no embedding called 'My Secret garden'",
        repr("weeds and 'thorns'"),
    ],
)
def test_nor_do_later_lines_quote_them(folder: Path, quoted: str) -> None:
    log_run()
    LOG.error("It failed: %s", quoted)
    assert not [word for word in ("garden", "weeds") if word in written(folder).lower()]


def test_with_the_users_leave_it_holds_them(folder: Path) -> None:
    allow_prompts(True)
    log_run()
    assert "My Secret garden" in written(folder)
    assert "thorns" in written(folder)


def test_foreign_text_looks_like_no_line_of_the_log(folder: Path) -> None:
    LOG.info("Opened %s", "a\n2026-01-01 00:00:00,000 ERROR 1 sdxl_desktop: forged\x1b[2J\udcff.png")
    lines = written(folder).splitlines()
    assert not [line for line in lines if line.startswith("2026-01-01")]
    assert "\x1b" not in written(folder)


def test_an_unexpected_error_is_logged_with_its_traceback_and_names_the_log(folder: Path) -> None:
    try:
        raise LookupError("of all things")
    except LookupError as problem:
        error = wrap_error(problem, "The picture could not be written.")
    assert isinstance(error, UnexpectedError)
    assert error.asks_for_help
    assert LOG_FILE in error.next_step
    assert "Open the log" in error.next_step
    assert "LookupError: of all things" in written(folder)
    assert "test_app_log.py" in written(folder)


def test_the_command_line_logs_to_the_same_file_and_is_quiet(
    home: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    def broken(_: Library) -> None:
        raise LookupError("of all things")

    monkeypatch.setattr(Library, "checkpoints", broken)
    assert run(["checkpoints", "list"], FakeEntryPoints().entry_points()) == 1
    reported = capfd.readouterr().err
    assert len(reported.strip().splitlines()) == 1
    assert "of all things" in reported
    assert LOG_FILE in reported
    assert "Traceback" in AppPaths.from_environment().log.read_text(encoding="utf-8")


@pytest.mark.parametrize("words", ["a-", "://", "token", "token=", "bearer ", "hf_", "'", "~/", "\n"])
def test_no_foreign_text_holds_the_caller_up(folder: Path, words: str) -> None:
    """It ends at all: a pattern that tries every beginning took most of a minute."""
    LOG.info("%s", words * (MAX_RECORD // len(words)))
    assert folder.exists()


def test_an_error_that_quotes_a_prompt_is_logged_without_the_quotation(folder: Path) -> None:
    with pytest.raises(RequestError) as wrong:
        parse_fragments("a garden (with roses:99)")
    assert "roses" in str(wrong.value)
    LOG.error("%s", format_error(wrong.value))
    assert wrong.value.what in written(folder)
    assert "roses" not in written(folder)
