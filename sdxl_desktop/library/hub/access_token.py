"""The person's token for the hub: kept in the system's keyring; else what the environment or the hub's own tools keep.

Every token belongs to one host and is sent to no other. One in the keyring belongs to the host that HF_ENDPOINT named
when it was kept. HF_TOKEN and the file of the hub's own tools belong to huggingface.co, since many set them once and
use a stranger's mirror later; SDXL_DESKTOP_TOKEN_HOST says that they are for another host. Where a system has no
keyring, that is said, and nothing is written to a file instead.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sdxl_desktop.core.app_log import keep_out
from sdxl_desktop.core.child_program import TOKEN_VARIABLES
from sdxl_desktop.core.regular_files import open_regular
from sdxl_desktop.library.hub.hub_address import HUGGINGFACE_URL, endpoint
from sdxl_desktop.library.hub.hub_errors import AccessError

KEYRING_SERVICE = "sdxl-desktop"
_MAX_TOKEN_BYTES = 2000
HOST_VARIABLE = "SDXL_DESKTOP_TOKEN_HOST"
_TOKEN_FORMAT_HINT = "It must be letters, digits and underscores, as the hub shows it."


@dataclass(frozen=True, slots=True)
class AccessToken:
    """`value` is secret ("" for none); `where` says in words where it was found, and why not in the keyring."""

    value: str
    source: str
    in_keyring: bool = False
    """Whether it is in the system's keyring, where `delete_token` removes it."""

    def __post_init__(self) -> None:
        keep_out(self.value)

    def __repr__(self) -> str:
        return f"Token({'…' if self.value else 'none'}, {self.source!r})"


def find_token() -> AccessToken:
    """The token for the present endpoint. Blocks for as long as the system asks the person to unlock the keyring."""
    keyring, why_not = _keyring()
    if keyring is not None:
        try:
            if value := keyring.get_password(KEYRING_SERVICE, _host()):
                return AccessToken(value, "the system's keyring", in_keyring=True)
        except keyring.errors.KeyringError as problem:
            why_not = f"the system's keyring did not answer ({problem or type(problem).__name__})"
    note = f"; {why_not}" if why_not else ""
    value, where = _find_outside_keyring()
    if value and token_host() != _host():
        return AccessToken("", f"the one in {where} is for {token_host()}, not for {_host()}{note}")
    return AccessToken(value, f"{where or 'there is none'}{note}")


def token_host() -> str:
    """The host that a token in the environment or in the file of the hub's own tools is for."""
    return os.environ.get(HOST_VARIABLE, "").strip().lower() or urlsplit(HUGGINGFACE_URL).netloc


def _find_outside_keyring() -> tuple[str, str]:
    """(the token, where it was found) outside the keyring; "" for none."""
    for variable in TOKEN_VARIABLES:
        if value := _stripped(os.environ.get(variable, "")):
            return value, variable
    file = _huggingface_token_file()
    try:
        with open_regular(file) as stream:
            value = _stripped(stream.read(_MAX_TOKEN_BYTES).decode("utf-8"))
    except (OSError, UnicodeDecodeError):
        return "", ""
    return (value, f"the file of the hub's own tools ({file})") if value else ("", "")


def store_token(value: str) -> None:
    """Keep `value` in the system's keyring. Raises AccessError when it cannot be one, or when there is no keyring."""
    value = _stripped(value)
    keep_out(value)
    if not value or not value.isascii() or not value.replace("_", "").replace("-", "").isalnum():
        raise AccessError("That cannot be a token.", why=_TOKEN_FORMAT_HINT, next_step="Copy it once more.")
    keyring, why_not = _keyring()
    if keyring is None:
        raise _no_keyring_error(why_not)
    try:
        keyring.set_password(KEYRING_SERVICE, _host(), value)
        kept = keyring.get_password(KEYRING_SERVICE, _host())
    except keyring.errors.KeyringError as problem:
        raise _no_keyring_error(f"the system's keyring refused ({problem or type(problem).__name__})") from problem
    if kept != value:  # there is a backend that keeps nothing on purpose
        raise _no_keyring_error("the keyring that is set up keeps nothing")


def delete_token() -> bool:
    """Remove the token for the present endpoint from the system's keyring; whether there was one. Raises AccessError
    where the keyring does not let it go."""
    keyring, _ = _keyring()
    if keyring is None:
        return False
    try:
        if keyring.get_password(KEYRING_SERVICE, _host()) is None:
            return False
        keyring.delete_password(KEYRING_SERVICE, _host())
    except keyring.errors.KeyringError as problem:
        raise AccessError(
            "The token was not removed.",
            why=f"The system's keyring refused ({problem or type(problem).__name__}).",
            next_step="Unlock it, or remove the entry “sdxl-desktop” in the system's own program for passwords.",
        ) from problem
    return True


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
    """With its port, where it has one, and without a name and password."""
    return urlsplit(endpoint()).netloc.rpartition("@")[2].lower()


def _huggingface_token_file() -> Path:
    """Where the hub's own tools keep a token (huggingface_hub.constants.HF_TOKEN_PATH, without importing it)."""
    cache = Path(os.environ.get("XDG_CACHE_HOME", "~/.cache")).expanduser()
    home = Path(os.environ.get("HF_HOME", cache / "huggingface")).expanduser()
    return Path(os.environ.get("HF_TOKEN_PATH", home / "token")).expanduser()


def _stripped(value: str) -> str:
    return value.replace("\r", "").replace("\n", "").strip()


def _no_keyring_error(why: str) -> AccessError:
    return AccessError(
        "The token was not kept.",
        why=f"{why[:1].upper()}{why[1:]}, and a token is not written to a file here.",
        next_step="Set the environment variable HF_TOKEN instead.",
    )
