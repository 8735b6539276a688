"""What I made: how a picture remembers its request."""
