"""The ledger's use cases, a module per noun."""
