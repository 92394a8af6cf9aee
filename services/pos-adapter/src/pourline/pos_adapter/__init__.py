"""What the point of sale is told."""
