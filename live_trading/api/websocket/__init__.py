"""Live updates: the journal by its sequence numbers, and beside it what is only worth the moment it is told."""
