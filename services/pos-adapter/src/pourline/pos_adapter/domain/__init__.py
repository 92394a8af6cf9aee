"""pos-adapter's rules: what a point of sale is told and when, and what a sale needs."""
