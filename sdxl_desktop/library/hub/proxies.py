"""The proxy that the environment names for the hub, for words about it: without the name and password in it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from sdxl_desktop.library.hub.address import endpoint


@dataclass(frozen=True, slots=True)
class Proxy:
    """`shown` is its address without what is secret, `variable` what names it ("" for the system's settings)."""

    shown: str
    variable: str

    def __str__(self) -> str:
        return f"the proxy {self.shown}" + (f" (which {self.variable} names)" if self.variable else "")


def proxy_for_hub() -> Proxy | None:
    """The proxy that requests to the hub go through, as httpx finds it; None for a straight line."""
    try:
        parts = urlsplit(endpoint())
        host = parts.hostname or ""
        if not host or proxy_bypass(host):
            return None
        known = getproxies()
        kind = next((kind for kind in (parts.scheme, "all") if known.get(kind)), "")
        return Proxy(_shown(known[kind]), _variable(kind)) if kind else None
    except (ValueError, OSError):
        return None


def _shown(address: str) -> str:
    scheme, _, rest = address.rpartition("://")
    host = rest.rpartition("@")[2]
    return f"{scheme}://{host}"[:100] if scheme else host[:100]


def _variable(kind: str) -> str:
    return next((name for name in (f"{kind}_proxy", f"{kind.upper()}_PROXY") if os.environ.get(name)), "")
