"""A token is stored in the system's keyring, for one host; without a keyring that is reported, and none is stored."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keyring
import keyring.backend
import keyring.backends.fail
import keyring.errors
import pytest

from sdxl_desktop.library.hub.access_token import delete_token, find_token, store_token
from sdxl_desktop.library.hub.hub_errors import AccessError
from tests.memory_keyring import MemoryKeyring, used_keyring


@pytest.fixture(autouse=True)
def hub_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for variable in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_TOKEN_PATH", "HF_ENDPOINT", "SDXL_DESKTOP_TOKEN_HOST"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    (tmp_path / "hub").mkdir()
    return tmp_path / "hub"


@pytest.fixture
def memory_keyring() -> Iterator[MemoryKeyring]:
    mine = MemoryKeyring()
    with used_keyring(mine):
        yield mine


@pytest.fixture
def no_keyring() -> Iterator[None]:
    with used_keyring(keyring.backends.fail.Keyring()):
        yield


def test_kept_found_and_forgotten(memory_keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    store_token(" hf_secret\n")
    monkeypatch.setenv("HF_TOKEN", "hf_other")
    assert (find_token().value, find_token().source) == ("hf_secret", "the system's keyring")
    assert find_token().in_keyring
    assert delete_token()
    assert not delete_token()
    assert memory_keyring.kept == {}
    assert not find_token().in_keyring
    assert (find_token().value, find_token().source) == ("hf_other", "HF_TOKEN")


def test_a_mirror_never_gets_the_hubs_token(memory_keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch) -> None:
    store_token("hf_secret")
    monkeypatch.setenv("HF_ENDPOINT", "https://mirror.example")
    assert find_token().value == ""


@pytest.mark.parametrize("place", ["HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "file"])
def test_a_token_of_the_environment_is_for_the_hub_unless_the_user_says_for_whom(
    no_keyring: None, hub_home: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    """Many users set it once for the hub, and later use another host's mirror."""
    if place == "file":
        (hub_home / "token").write_text("hf_mine")
    else:
        monkeypatch.setenv(place, "hf_mine")
    assert find_token().value == "hf_mine"
    monkeypatch.setenv("HF_ENDPOINT", "https://person:word@mirror.example:8443/hub")
    assert find_token().value == ""
    assert "is for huggingface.co, not for mirror.example:8443" in find_token().source
    monkeypatch.setenv("SDXL_DESKTOP_TOKEN_HOST", "mirror.example")
    assert find_token().value == "", "another port is another's"
    monkeypatch.setenv("SDXL_DESKTOP_TOKEN_HOST", "Mirror.Example:8443")
    assert find_token().value == "hf_mine"
    monkeypatch.delenv("HF_ENDPOINT")
    assert find_token().value == "", "it is the mirror's now"


def test_a_token_that_cannot_be_removed_is_reported(memory_keyring: MemoryKeyring) -> None:
    store_token("hf_secret")
    memory_keyring.jammed = True
    with pytest.raises(AccessError, match="was not removed"):
        delete_token()


def test_without_a_keyring_other_places_serve_and_that_is_reported(
    no_keyring: None, hub_home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert (find_token().value, find_token().source) == ("", "there is none; this system has no keyring")
    (hub_home / "token").write_text("hf_file\n")
    assert find_token().value == "hf_file"
    assert str(hub_home / "token") in find_token().source
    monkeypatch.setenv("HF_TOKEN", "hf_env")
    assert find_token().value == "hf_env"
    assert "no keyring" in find_token().source
    with pytest.raises(AccessError, match="not written to a file"):
        store_token("hf_secret")
    delete_token()


def test_a_keyring_that_keeps_nothing_is_not_believed(
    memory_keyring: MemoryKeyring, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(memory_keyring, "set_password", lambda *words: None)
    with pytest.raises(AccessError, match="keeps nothing"):
        store_token("hf_secret")


def test_a_keyring_that_does_not_answer_is_no_disaster(memory_keyring: MemoryKeyring) -> None:
    memory_keyring.jammed = True
    assert "did not answer (locked)" in find_token().source
    with pytest.raises(AccessError, match="refused"):
        store_token("hf_secret")


@pytest.mark.parametrize("value", ["", "two words", "hf_ümlaut", "hf_a\x00b"])
def test_what_cannot_be_a_token_is_not_kept(memory_keyring: MemoryKeyring, value: str) -> None:
    with pytest.raises(AccessError, match="cannot be a token"):
        store_token(value)
    assert memory_keyring.kept == {}


def test_a_token_is_not_shown(memory_keyring: MemoryKeyring) -> None:
    store_token("hf_secret")
    assert "hf_secret" not in repr(find_token())
