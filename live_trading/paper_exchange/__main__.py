"""``python -m live_trading.paper_exchange --data-dir var/paper``: a paper exchange as a process of its own."""

import sys

from live_trading.paper_exchange.options import parse_options
from live_trading.paper_exchange.server import run_paper_exchange

if __name__ == "__main__":
    sys.exit(run_paper_exchange(parse_options(sys.argv[1:])))
