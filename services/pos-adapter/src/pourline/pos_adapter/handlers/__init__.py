"""pos-adapter's use cases: the queue, packages, sales, configuration."""
