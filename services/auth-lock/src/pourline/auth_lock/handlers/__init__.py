"""auth-lock's use cases, a module per noun."""
