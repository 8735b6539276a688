"""Moves work across threads: `background` has the mechanism, which the engine and library threads use. No widgets."""
