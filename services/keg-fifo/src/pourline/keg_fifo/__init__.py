"""Beverages, kegs, items, batches, spouts."""
