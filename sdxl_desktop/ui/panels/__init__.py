"""The panels that edit one request. Each has `value()`, `set_value()` (which emits nothing) and `changed`."""
