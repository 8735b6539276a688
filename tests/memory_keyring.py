"""A system keyring in memory, for one test."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import keyring
import keyring.backend
import keyring.errors


class MemoryKeyring(keyring.backend.KeyringBackend):
    """Keeps passwords in `kept`; raises KeyringLocked while it is `jammed`."""

    priority = 1

    def __init__(self) -> None:
        keyring.backend.KeyringBackend.__init__(self)
        self.kept: dict[tuple[str, str], str] = {}
        self.jammed = False

    def _check(self) -> None:
        if self.jammed:
            raise keyring.errors.KeyringLocked("locked")

    def get_password(self, service: str, username: str) -> str | None:
        self._check()
        return self.kept.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        self._check()
        self.kept[service, username] = password

    def delete_password(self, service: str, username: str) -> None:
        if self.kept.pop((service, username), None) is None:
            raise keyring.errors.PasswordDeleteError("none")


@contextmanager
def used_keyring(mine: keyring.backend.KeyringBackend) -> Iterator[None]:
    """Use `mine` as the system's keyring inside this context."""
    before = keyring.get_keyring()
    keyring.set_keyring(mine)
    try:
        yield
    finally:
        keyring.set_keyring(before)
