"""The panels that edit one request. Their contract: `value()`, `set_value()` (which does not emit) and `changed`."""
