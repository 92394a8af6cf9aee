"""keg-fifo's use cases, a module per noun."""
