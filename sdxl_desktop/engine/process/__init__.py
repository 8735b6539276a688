"""An engine in a process of its own: what crosses the pipe, the host that draws, the client that asks."""
