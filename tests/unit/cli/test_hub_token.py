"""`checkpoints token` shows where the token is stored, stores and removes one, and never shows it."""

from __future__ import annotations

import io
from collections.abc import Iterator

import pytest
import typer

from sdxl_desktop.cli.checkpoints import checkpoints
from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.library.hub.access_token import find_token
from tests.memory_keyring import MemoryKeyring, used_keyring

SECRET = "hf_secret"


@pytest.fixture(autouse=True)
def memory_keyring(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> Iterator[MemoryKeyring]:
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "SDXL_DESKTOP_TOKEN_HOST"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    mine = MemoryKeyring()
    with used_keyring(mine):
        yield mine


def say(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    command = typer.main.get_command(checkpoints)
    assert command.main(args=["token", *arguments], standalone_mode=False, prog_name="checkpoints") == 0
    message = capsys.readouterr()
    assert SECRET not in message.out + message.err
    return message.out


def test_kept_reported_and_forgotten(
    memory_keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "no token is used: there is none" in say(capsys)
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{SECRET}\n"))
    assert "is kept" in say(capsys, "--keep")
    assert find_token().value == SECRET
    assert "from the system's keyring" in say(capsys)
    assert "is forgotten" in say(capsys, "--forget")
    assert memory_keyring.kept == {}
    assert "No token for the hub was kept" in say(capsys, "--forget")


def test_a_token_for_another_host_is_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example")
    message = say(capsys)
    assert "For the mirror mirror.example no token is used: the one in HF_TOKEN is for huggingface.co" in message
    assert "SDXL_DESKTOP_TOKEN_HOST" in message


def test_both_at_once_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(RequestError):
        say(capsys, "--keep", "--forget")
