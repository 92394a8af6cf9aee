"""All of alerts' SQL, a module per noun."""
