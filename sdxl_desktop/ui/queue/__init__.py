"""The queue in the window: its list, popover and dialog, its files, and what the desktop shows of it."""
