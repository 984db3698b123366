"""The command line ``live-trading``."""

from live_trading.cli.app import main

__all__ = ["main"]
