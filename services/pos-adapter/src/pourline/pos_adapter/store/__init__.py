"""All of pos-adapter's SQL: the queue, items and packages, sales, configuration."""
