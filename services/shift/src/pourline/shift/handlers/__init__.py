"""shift's use cases."""
