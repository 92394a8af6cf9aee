"""All of the ledger's SQL, a module per noun."""
