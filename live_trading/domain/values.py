"""The closed sets of words that trading uses. Each is spelled in the journal exactly as here."""

from enum import StrEnum


class Side(StrEnum):
    """Which way an order or an execution goes."""

    BUY = "BUY"
    SELL = "SELL"

    def __init__(self, word: str) -> None:
        self.sign = 1 if word == "BUY" else -1
        """+1 for BUY, -1 for SELL: what it does to a signed quantity."""

    @property
    def opposite(self) -> "Side":
        return Side.SELL if self is Side.BUY else Side.BUY


class OrderType(StrEnum):
    """How an order trades. TRAILING_STOP is a stop whose price the broker itself moves: it keeps a distance to the best
    price there was, in the order's favour only (IBKR's TRAIL, OANDA's TrailingStopLossOrder)."""

    MARKET = "MARKET"
    LIMIT = "LIMIT"
    STOP = "STOP"
    STOP_LIMIT = "STOP_LIMIT"
    TRAILING_STOP = "TRAILING_STOP"


class TimeInForce(StrEnum):
    """How long an order stands: good till cancelled, for the session, or immediate-or-cancel."""

    GTC = "GTC"
    DAY = "DAY"
    IOC = "IOC"


class OrderPurpose(StrEnum):
    """Why an order exists. Only ENTRY adds risk; the others reduce it."""

    ENTRY = "ENTRY"
    EXIT = "EXIT"
    STOP_LOSS = "STOP_LOSS"
    TAKE_PROFIT = "TAKE_PROFIT"

    def __init__(self, word: str) -> None:
        self.reduces_risk = word != "ENTRY"
        self.is_protection = word in ("STOP_LOSS", "TAKE_PROFIT")


class OrderStatus(StrEnum):
    """Where an order is in its life (``docs/recovery.md`` draws it)."""

    PENDING = "PENDING"
    IN_DOUBT = "IN_DOUBT"
    NEEDS_OPERATOR = "NEEDS_OPERATOR"
    PLACED = "PLACED"
    PARTIALLY_FILLED = "PARTIALLY_FILLED"
    FILLED = "FILLED"
    CANCELLED = "CANCELLED"
    EXPIRED = "EXPIRED"
    REJECTED = "REJECTED"
    NOT_PLACED = "NOT_PLACED"

    def __init__(self, word: str) -> None:
        self.is_terminal = word in ("FILLED", "CANCELLED", "EXPIRED", "REJECTED", "NOT_PLACED")
        """No further fill is expected (one that comes all the same is applied all the same)."""
        self.is_uncertain = word in ("PENDING", "IN_DOUBT", "NEEDS_OPERATOR")
        """We do not know whether the broker has it."""


class PositionType(StrEnum):
    LONG = "LONG"
    SHORT = "SHORT"


class TransactionRole(StrEnum):
    """Whether a transaction opens (ENTRY) or closes (EXIT) quantity."""

    ENTRY = "ENTRY"
    EXIT = "EXIT"


class OperationStatus(StrEnum):
    """``closing``: asked to close, not yet flat. ``error``: held until a person decides."""

    ACTIVE = "active"
    PAUSED = "paused"
    CLOSING = "closing"
    CLOSED = "closed"
    ERROR = "error"


class AccountType(StrEnum):
    PAPER = "PAPER"
    LIVE = "LIVE"


class SignalType(StrEnum):
    ENTER_LONG = "ENTER_LONG"
    ENTER_SHORT = "ENTER_SHORT"
    EXIT = "EXIT"


class StopLossType(StrEnum):
    """How the stop's distance is given: a multiple of the ATR, a fraction of the price, or in price units.

    TRAILING is a fraction of the price that follows the market in the position's favour.
    """

    ATR = "ATR"
    PERCENTAGE = "PERCENTAGE"
    FIXED = "FIXED"
    TRAILING = "TRAILING"


class TakeProfitType(StrEnum):
    """As for the stop; RISK_REWARD is a multiple of the stop's distance."""

    ATR = "ATR"
    PERCENTAGE = "PERCENTAGE"
    FIXED = "FIXED"
    RISK_REWARD = "RISK_REWARD"


class PositionSizing(StrEnum):
    """How large an entry is: fixed, a fraction of the capital, or such that its stop costs a fraction of it."""

    FIXED = "FIXED"
    PERCENT_OF_CAPITAL = "PERCENT_OF_CAPITAL"
    RISK_PER_TRADE = "RISK_PER_TRADE"


class CrashRecoveryMode(StrEnum):
    """What recovery does with an open position after a crash (``docs/recovery.md``)."""

    CLOSE_ALL = "CLOSE_ALL"
    RESUME = "RESUME"
    EMERGENCY_EXIT = "EMERGENCY_EXIT"


class RecoveryDecision(StrEnum):
    """CLOSE at market, KEEP the position and its protections, or WAIT for a price that can be trusted."""

    CLOSE = "CLOSE"
    KEEP = "KEEP"
    WAIT = "WAIT"


class DoubtfulAction(StrEnum):
    """Which request to the broker it is whose fate is unknown."""

    PLACE = "PLACE"
    CANCEL = "CANCEL"
    MODIFY = "MODIFY"


class AssetClass(StrEnum):
    FX = "FX"
    FUTURE = "FUTURE"
    STOCK = "STOCK"
    OPTION = "OPTION"


class OptionRight(StrEnum):
    """A CALL is a right to buy the underlying at the strike, a PUT one to sell it."""

    CALL = "CALL"
    PUT = "PUT"
