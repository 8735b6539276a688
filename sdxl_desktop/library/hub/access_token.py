"""The user's hub token: from the system's keyring, else from the environment or huggingface_hub's token file.

Every token belongs to one host and is sent to no other. A keyring token belongs to the host in HF_ENDPOINT at the time
it was stored. HF_TOKEN and huggingface_hub's token file belong to huggingface.co, since many users set them once and
later use an untrusted mirror; SDXL_DESKTOP_TOKEN_HOST assigns them to another host. If the system has no keyring, this
is reported, and the token is not written to a file instead.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from sdxl_desktop.core.app_log import add_secret
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
    """`value` is secret ("" for none); `source` says where it was found, and why not in the keyring."""

    value: str
    source: str
    in_keyring: bool = False
    """Whether it is in the system's keyring, where `delete_token` removes it."""

    def __post_init__(self) -> None:
        add_secret(self.value)

    def __repr__(self) -> str:
        return f"Token({'…' if self.value else 'none'}, {self.source!r})"


def find_token() -> AccessToken:
    """Return the token for the current endpoint. Blocks while the system asks the user to unlock the keyring."""
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
    """The host of a token in the environment or in huggingface_hub's token file."""
    return os.environ.get(HOST_VARIABLE, "").strip().lower() or urlsplit(HUGGINGFACE_URL).netloc


def _find_outside_keyring() -> tuple[str, str]:
    """Return (token, where it was found) from outside the keyring; "" for none."""
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
    """Store `value` in the system's keyring. Raises AccessError if it is not a valid token or there is no keyring."""
    value = _stripped(value)
    add_secret(value)
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
    if kept != value:  # there is a backend that deliberately stores nothing
        raise _no_keyring_error("the keyring that is set up keeps nothing")


def delete_token() -> bool:
    """Remove the token for the current endpoint from the system's keyring; returns whether there was one. Raises
    AccessError if the keyring refuses."""
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
    """Return the keyring library, or None and the reason why it is unusable."""
    try:
        import keyring
        import keyring.backends.fail
        import keyring.errors
    except ImportError:
        return None, "the library for the system's keyring is not installed"
    try:
        chosen = keyring.get_keyring()
    except (ImportError, RuntimeError, OSError, ValueError, AttributeError) as problem:  # a broken keyring setup
        return None, f"the system's keyring cannot be used ({type(problem).__name__})"
    if isinstance(chosen, keyring.backends.fail.Keyring):
        return None, "this system has no keyring"
    return keyring, ""


def _host() -> str:
    """The endpoint's host with its port, if any, without user name and password."""
    return urlsplit(endpoint()).netloc.rpartition("@")[2].lower()


def _huggingface_token_file() -> Path:
    """The path of huggingface_hub's token file (huggingface_hub.constants.HF_TOKEN_PATH, without importing it)."""
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
