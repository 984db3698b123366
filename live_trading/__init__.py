"""A trading engine whose only memory is its journal."""
