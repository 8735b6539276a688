"""The delay before a retry is read from the hub's answer, in each of its forms."""

from __future__ import annotations

import pytest

from sdxl_desktop.library.hub.retry import retry_after_seconds

NOON = 784_900_800.0  # Tue, 15 Nov 1994 12:00:00 GMT, of RFC 9110's examples


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "120"}, 120.0),
        ({"retry-after": "Tue, 15 Nov 1994 12:01:30 GMT"}, 90.0),
        ({"retry-after": "Tue, 15 Nov 1994 11:00:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "9" * 400}, 604_800.0),
        ({"retry-after": "²"}, None),
        ({"retry-after": "Tue, 15 Nov 9994 12:01:30 GMT"}, 604_800.0),
        ({"ratelimit": f"t={'9' * 400}"}, 604_800.0),
        ({"ratelimit": '"api";r=0;t=55'}, 55.0),
        ({"ratelimit": "nonsense"}, None),
    ],
    ids=str,
)
def test_retry_after_is_followed(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers, now=NOON) == seconds
