"""Checks of the project itself, and its set-up. Run by the Makefile from the project's folder."""
