"""Qt widgets that show the session's state and forward the user's actions."""
