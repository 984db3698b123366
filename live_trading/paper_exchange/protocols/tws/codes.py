"""TWS's message codes, as far as the exchange says them (interactivebrokers.github.io/tws-api/message_codes.html)."""

from enum import IntEnum

from live_trading.paper_exchange.core.types import Refusal, Refused


class Code(IntEnum):
    """What is said with ``errMsg``."""

    CANNOT_MODIFY_FILLED = 104
    DUPLICATE_ORDER_ID = 103
    PRICE_VARIATION = 110
    ORDER_NOT_FOUND = 135
    HISTORICAL_DATA = 162
    NO_SECURITY = 200
    REJECTED = 201
    CANCELLED = 202
    NO_SUCH_TICKER = 300
    VALIDATION = 321
    PROCESSING = 322
    CLIENT_ID_IN_USE = 326
    INVALID_REAL_TIME_QUERY = 420
    UNKNOWN_REQUEST = 505
    BAD_MESSAGE = 507
    CONNECTIVITY_LOST = 1100
    RESTORED_DATA_LOST = 1101
    RESTORED = 1102
    MARKET_DATA_OK = 2104
    HISTORY_OK = 2106
    SECURITY_DATA_OK = 2158
    CANCEL_NOT_FOUND = 10147
    CANNOT_CANCEL = 10148
    TICK_BY_TICK_LIMIT = 10190
    PRESET_CHANGED_TIF = 10349


def refusal_of(refused: Refused) -> tuple[Code, str]:
    """What TWS says where the core refuses a new order, or a change."""
    match refused.code:
        case Refusal.INVALID_PRICE:
            text = f"The price does not conform to the minimum price variation for this contract. {refused.text}"
            return Code.PRICE_VARIATION, text
        case Refusal.UNKNOWN_INSTRUMENT:
            return Code.NO_SECURITY, "No security definition has been found for the request"
        case Refusal.UNKNOWN_ACCOUNT:
            return Code.VALIDATION, f"Error validating request.-'bW' : cause - {refused.text}"
        case Refusal.NOT_WORKING:
            return Code.CANNOT_MODIFY_FILLED, "Cannot modify a filled order."
        case Refusal.ORDER_NOT_FOUND:
            return Code.ORDER_NOT_FOUND, f"Can't find order with ID. {refused.text}"
        case Refusal.MARKET_CLOSED:
            return Code.REJECTED, f"Order rejected - reason:The exchange is closed. {refused.text}"
    return Code.REJECTED, f"Order rejected - reason:{refused.text}"
