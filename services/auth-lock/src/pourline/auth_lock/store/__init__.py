"""All of auth-lock's SQL, a module per noun."""
