"""Proxies from the environment are used; for an unusable one the error names it and the remedy."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from sdxl_desktop.library.hub.download_job import DownloadProgress
from sdxl_desktop.library.hub.hub_address import parse_address
from sdxl_desktop.library.hub.hub_connection import HubConnection, list_hub_files
from sdxl_desktop.library.hub.hub_errors import ConnectionLostError, HubError
from tests.unit.library.hub.conftest import REPO
from tests.unit.library.hub.fake_hub import COMMIT, FakeHub
from tests.unit.library.hub.socks_server import SocksServer

pytestmark = pytest.mark.usefixtures("in_this_process")
ADDRESS = parse_address(REPO)


def quiet(progress: DownloadProgress) -> None:
    pass


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("all_proxy", "http_proxy", "https_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture
def socks(hub: FakeHub) -> Iterator[SocksServer]:
    made = SocksServer(urlsplit(hub.url).port or 0)
    yield made
    made.close()


@pytest.mark.parametrize("scheme", ["socks5", "socks5h"])
@pytest.mark.parametrize("variable", ["ALL_PROXY", "http_proxy"])
def test_socks(
    hub: FakeHub,
    socks: SocksServer,
    hub_connection: HubConnection,
    monkeypatch: pytest.MonkeyPatch,
    scheme: str,
    variable: str,
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.invalid")
    monkeypatch.setenv(variable, f"{scheme}://127.0.0.1:{socks.port}")
    assert list_hub_files(ADDRESS, quiet, connection=hub_connection).commit == COMMIT
    assert set(socks.asked) == {("hub.invalid", 80)}


def test_no_proxy_is_followed(
    hub: FakeHub, socks: SocksServer, hub_connection: HubConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"socks5://127.0.0.1:{socks.port}")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    assert list_hub_files(ADDRESS, quiet, connection=hub_connection).commit == COMMIT
    assert socks.asked == []


@pytest.mark.parametrize("scheme", ["socks5", "http"])
def test_one_that_is_not_there_is_named(
    hub: FakeHub, hub_connection: HubConnection, monkeypatch: pytest.MonkeyPatch, scheme: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", f"{scheme}://person:secret@127.0.0.1:9")
    with pytest.raises(ConnectionLostError, match=rf"{scheme}://127.0.0.1:9.*unset ALL_PROXY") as caught:
        list_hub_files(ADDRESS, quiet, connection=hub_connection)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize("address", ["socks4://127.0.0.1:9", "ftp://person:secret@127.0.0.1:9", "gopher://x"])
def test_one_of_an_unknown_kind_is_named(
    hub: FakeHub, hub_connection: HubConnection, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("ALL_PROXY", address)
    with pytest.raises(HubError, match=r"cannot be used.*ALL_PROXY") as caught:
        list_hub_files(ADDRESS, quiet, connection=hub_connection)
    assert "secret" not in str(caught.value)
