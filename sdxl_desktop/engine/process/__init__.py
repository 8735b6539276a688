"""An engine in a separate process: the messages over the pipe, the host that generates, and the client."""
