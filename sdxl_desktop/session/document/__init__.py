"""The document: the picture being edited with its mask, the operations on them, undo, project files and recovery."""
