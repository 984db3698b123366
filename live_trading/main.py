"""``python -m live_trading.main``: everything in one, as ``live-trading run``; with words after it, that command."""

import sys

from live_trading.cli import main as command_line


def main() -> None:
    """Run what is asked for, everything when nothing is."""
    arguments = sys.argv[1:]
    if not arguments or (arguments[0].startswith("-") and arguments[0] not in ("--help", "--version")):
        arguments = ["run", *arguments]
    command_line(arguments)


if __name__ == "__main__":
    main()
