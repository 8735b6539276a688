"""`checkpoints token`: shows where the hub token is found, stores one in the system keyring, or deletes it."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from sdxl_desktop.core.errors import RequestError
from sdxl_desktop.library.hub.access_token import HOST_VARIABLE, delete_token, find_token, store_token
from sdxl_desktop.library.hub.hub_address import endpoint_label


def hub_token(
    keep: Annotated[
        bool, typer.Option("--keep", help="Ask for a token, or read it from standard input, and keep it.")
    ] = False,
    forget: Annotated[bool, typer.Option("--forget", help="Remove the token that is kept.")] = False,
) -> int:
    """Show where the hub token is found; store or delete one in the system keyring.

    A token is for one host: for the mirror that HF_ENDPOINT names, if set. The token itself is never shown.
    """
    if keep and forget:
        raise RequestError("A token is either kept or forgotten.", next_step="Say --keep or --forget.")
    if keep:
        store_token(typer.prompt("Token", hide_input=True, err=True) if sys.stdin.isatty() else sys.stdin.readline(500))
        typer.echo(f"The token for {endpoint_label()} is kept in the system's keyring.")
        return 0
    if forget:
        there = delete_token()
        typer.echo(
            f"The token for {endpoint_label()} is forgotten." if there else f"No token for {endpoint_label()} was kept."
        )
    token = find_token()
    if token.value:
        typer.echo(f"For {endpoint_label()} there is {'still ' if forget else ''}a token: from {token.source}.")
    elif not forget:
        typer.echo(f"For {endpoint_label()} no token is used: {token.source}.")
        if " is for " in token.source:
            typer.echo(f"Set {HOST_VARIABLE} to the host that it is for, to send it there.")
    return 0
