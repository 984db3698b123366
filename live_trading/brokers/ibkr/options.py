"""What IB can do, and where and how it is spoken to."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from live_trading.brokers.errors import Fatal
from live_trading.brokers.ibkr.contracts import ROLL_DAYS
from live_trading.brokers.ibkr.market_data import TickSource
from live_trading.brokers.ibkr.schedule import NightlyRestart
from live_trading.brokers.types import Bracket, Capabilities

IBKR_CAPABILITIES = Capabilities(
    client_id_length=40,
    client_id_unique="never",
    lookup_by_client_id=True,
    absence_definitive_after=5.0,
    bracket=Bracket.ATOMIC,
    oca=True,
    modify="in place",
    stops=True,
    trailing_stops=True,
    execution_look_back=86_400.0,
    order_updates="push",
    fractional_quantities=False,
    orders_per_second=15.0,
)
"""What IB can do. ``orderRef`` need not be unique there: this adapter refuses to send one again that it knows."""


@dataclass(frozen=True, slots=True)
class IbkrOptions:
    """Where TWS is and how it is used. ``account`` None: the only one of the log-in. ``live``: it holds real money.

    ``restart`` is the gateway's nightly restart, None where there is none.
    """

    host: str = "127.0.0.1"
    port: int = 4002
    client_id: int = 1
    account: str | None = None
    live: bool = False
    ticks: TickSource = TickSource.QUOTES
    restart: NightlyRestart | None = None
    roll_days: int = ROLL_DAYS
    absence_seconds: float = 5.0


_REAL = re.compile(r"[UFI]\d+")
"""Accounts that hold real money; those of paper trading begin with a D."""


def account_of_log_in(name: str, options: IbkrOptions, accounts: Sequence[str]) -> str:
    """The account to trade of those the log-in has; it must be of the kind that the options say. Raises
    :class:`Fatal`."""
    account = options.account
    known = ", ".join(accounts[:10])
    if account is None:
        if len(accounts) != 1:
            raise Fatal(f"broker {name}: the log-in has accounts {known}. Set broker.ibkr.account")
        account = accounts[0]
    if account not in accounts:
        raise Fatal(f"broker {name}: there is no account {account}, only {known}. Correct broker.ibkr.account")
    if _REAL.fullmatch(account) and not options.live:
        raise Fatal(
            f"broker {name}: account {account} holds real money, account_type says PAPER. "
            "Log in to paper trading, or set broker.ibkr.account_type and confirm_live"
        )
    return account
