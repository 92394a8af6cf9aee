"""What the bar reaches, beside the floors measured in the same run: `make bench`."""
