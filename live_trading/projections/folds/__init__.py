"""What each entry means: the handlers of the fold, by the kind of entry they belong to."""
