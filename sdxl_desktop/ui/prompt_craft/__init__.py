"""Dialogs for styles, presets and earlier prompts, and the controller that connects them to the panels."""
