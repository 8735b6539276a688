"""The document: the picture being edited with its mask, every way to change them, undo, project files and recovery."""
