"""All of keg-fifo's SQL, a module per noun."""
