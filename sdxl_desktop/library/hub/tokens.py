"""The person's token for the hub: kept in the system's keyring; else what the environment or the hub's own tools keep.

A token in the keyring belongs to one host, so that one for huggingface.co is never sent to a mirror. Where a system has
no keyring, that is said, and nothing is written to a file instead.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sdxl_desktop.library.hub.address import endpoint
from sdxl_desktop.library.hub.errors import AccessError

SERVICE = "sdxl-desktop"
_VARIABLES = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN")
_UNFIT = "It must be letters, digits and underscores, as the hub shows it."


@dataclass(frozen=True, slots=True)
class Token:
    """`value` is secret ("" for none); `where` says in words where it was found, and why not in the keyring."""

    value: str
    where: str

    def __repr__(self) -> str:
        return f"Token({'…' if self.value else 'none'}, {self.where!r})"


def find_token() -> Token:
    """The token for the present endpoint. Blocks for as long as the system asks the person to unlock the keyring."""
    keyring, why_not = _keyring()
    if keyring is not None:
        try:
            if value := keyring.get_password(SERVICE, _host()):
                return Token(value, "the system's keyring")
        except keyring.errors.KeyringError as problem:
            why_not = f"the system's keyring did not answer ({problem or type(problem).__name__})"
    note = f"; {why_not}" if why_not else ""
    for variable in _VARIABLES:
        if value := _plain(os.environ.get(variable, "")):
            return Token(value, f"{variable}{note}")
    file = _hub_file()
    try:
        if value := _plain(file.read_text(encoding="utf-8")):
            return Token(value, f"the file of the hub's own tools ({file}){note}")
    except (OSError, UnicodeDecodeError):
        pass
    return Token("", f"there is none{note}")


def keep_token(value: str) -> None:
    """Keep `value` in the system's keyring. Raises AccessError when it cannot be one, or when there is no keyring."""
    value = _plain(value)
    if not value or not value.isascii() or not value.replace("_", "").replace("-", "").isalnum():
        raise AccessError("That cannot be a token.", why=_UNFIT, next_step="Copy it once more.")
    keyring, why_not = _keyring()
    if keyring is None:
        raise _no_keyring(why_not)
    try:
        keyring.set_password(SERVICE, _host(), value)
        kept = keyring.get_password(SERVICE, _host())
    except keyring.errors.KeyringError as problem:
        raise _no_keyring(f"the system's keyring refused ({problem or type(problem).__name__})") from problem
    if kept != value:  # there is a backend that keeps nothing on purpose
        raise _no_keyring("the keyring that is set up keeps nothing")


def forget_token() -> None:
    """Remove the token from the system's keyring, if there is one."""
    keyring, _ = _keyring()
    if keyring is None:
        return
    try:
        keyring.delete_password(SERVICE, _host())
    except keyring.errors.KeyringError:  # there was none, or nothing can be reached: nothing is kept either way
        return


def _keyring() -> tuple[Any, str]:
    """The library, or None and why it is of no use here."""
    try:
        import keyring
        import keyring.backends.fail
        import keyring.errors
    except ImportError:
        return None, "the library for the system's keyring is not installed"
    try:
        chosen = keyring.get_keyring()
    except (ImportError, RuntimeError, OSError, ValueError, AttributeError) as problem:  # a broken setup of its own
        return None, f"the system's keyring cannot be used ({type(problem).__name__})"
    if isinstance(chosen, keyring.backends.fail.Keyring):
        return None, "this system has no keyring"
    return keyring, ""


def _host() -> str:
    return urlsplit(endpoint()).netloc


def _hub_file() -> Path:
    """Where the hub's own tools keep a token (huggingface_hub.constants.HF_TOKEN_PATH, without importing it)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    home = Path(os.environ.get("HF_HOME", cache / "huggingface")).expanduser()
    return Path(os.environ.get("HF_TOKEN_PATH", home / "token")).expanduser()


def _plain(value: str) -> str:
    return value.replace("\r", "").replace("\n", "").strip()


def _no_keyring(why: str) -> AccessError:
    return AccessError(
        "The token was not kept.",
        why=f"{why[:1].upper()}{why[1:]}, and a token is not written to a file here.",
        next_step="Set the environment variable HF_TOKEN instead.",
    )
