"""What each of TWS's message codes means for us. The library's own reading is not used: it takes any order's message
outside a fixed list for a cancellation, although the broker has the order (10349 was seen so).

Source: https://interactivebrokers.github.io/tws-api/message_codes.html and the ibkrcampus TWS API documentation.
"""

from enum import StrEnum


class Meaning(StrEnum):
    """What a code says.

    REFUSED: the order, its change or its cancel was refused, positively. CANCELLED: the order has ended. NOTICE: worth
    a line in the log, no more. CONNECTIVITY_LOST: the gateway has lost its servers. RESTORED, RESTORED_DATA_LOST: it
    has them again; in the second case every subscription is gone. DATA_TROUBLE: a market data farm is away. CLIENT_ID:
    another connection has our number. FAILED: a question was not answered. UNKNOWN: not one that we know; it decides
    nothing.
    """

    REFUSED = "refused"
    CANCELLED = "cancelled"
    NOTICE = "notice"
    CONNECTIVITY_LOST = "connectivity lost"
    RESTORED = "restored"
    RESTORED_DATA_LOST = "restored, data lost"
    DATA_TROUBLE = "data trouble"
    CLIENT_ID = "client id"
    FAILED = "failed"
    UNKNOWN = "unknown"


_REFUSALS = {
    103: "DUPLICATE_ORDER_ID",
    104: "NOT_WORKING",
    105: "MODIFY_MISMATCH",
    106: "REJECTED",
    107: "REJECTED",
    109: "INVALID_PRICE",
    110: "INVALID_PRICE",
    111: "INVALID_TIME_IN_FORCE",
    113: "INVALID_TIME_IN_FORCE",
    116: "REJECTED",
    117: "REJECTED",
    118: "REJECTED",
    125: "INVALID_PRICE",
    129: "REJECTED",
    131: "REJECTED",
    132: "REJECTED",
    133: "REJECTED",
    134: "REJECTED",
    135: "ORDER_NOT_FOUND",
    136: "NOT_WORKING",
    140: "INVALID_QUANTITY",
    144: "INVALID_QUANTITY",
    152: "INVALID_TIME_IN_FORCE",
    157: "REJECTED",
    161: "NOT_WORKING",
    163: "INVALID_PRICE",
    200: "UNKNOWN_INSTRUMENT",
    201: "REJECTED",
    203: "NOT_PERMITTED",
    321: "REJECTED",
    328: "REJECTED",
    329: "REJECTED",
    355: "INVALID_QUANTITY",
    382: "INVALID_PRICE",
    383: "INVALID_QUANTITY",
    387: "UNSUPPORTED_ORDER_TYPE",
    388: "INVALID_QUANTITY",
    391: "INVALID_TIME_IN_FORCE",
    392: "INVALID_TIME_IN_FORCE",
    403: "REJECTED",
    434: "INVALID_QUANTITY",
    435: "UNKNOWN_ACCOUNT",
    436: "REJECTED",
    439: "REJECTED",
    461: "INVALID_QUANTITY",
    463: "REJECTED",
    478: "REJECTED",
    10147: "ORDER_NOT_FOUND",
    10148: "NOT_WORKING",
    10289: "INVALID_QUANTITY",
    10311: "REJECTED",
    10318: "REJECTED",
}
_NOTICES = frozenset({165, 202, 399, 404, 492, 10167, 10349, 2104, 2106, 2107, 2108, 2109, 2119, 2137, 2158, 300})
_FAILURES = frozenset(
    {101, 162, 309, 316, 317, 322, 354, 366, 420, 430, 504, 505, 507, 10089, 10090, 10168, 10182, 10186, 10190, 10197}
)
_REASONS = (
    ("exchange is closed", "MARKET_CLOSED"),
    ("margin", "INSUFFICIENT_MARGIN"),
    ("available funds", "INSUFFICIENT_MARGIN"),
    ("minimum price variation", "INVALID_PRICE"),
    ("no parent order", "PARENT_NOT_FOUND"),
    ("group", "OCA_NOTHING_LEFT"),
)


def meaning_of(code: int) -> Meaning:
    """What a code says, whatever it is about."""
    match code:
        case 1100 | 2110:
            return Meaning.CONNECTIVITY_LOST
        case 1101:
            return Meaning.RESTORED_DATA_LOST
        case 1102:
            return Meaning.RESTORED
        case 2103 | 2105 | 2157:
            return Meaning.DATA_TROUBLE
        case 326:
            return Meaning.CLIENT_ID
        case 202:
            return Meaning.CANCELLED
    if code in _REFUSALS:
        return Meaning.REFUSED
    if code in _NOTICES or 2100 <= code < 2200:
        return Meaning.NOTICE
    return Meaning.FAILED if code in _FAILURES else Meaning.UNKNOWN


def refusal_code(code: int, text: str) -> str:
    """Our word for a refusal: one that the whole engine knows where there is one, else ``IB_`` and the number."""
    word = _REFUSALS.get(code, f"IB_{code}")
    if word == "REJECTED":
        lowered = text.lower()
        return next((known for part, known in _REASONS if part in lowered), word)
    return word
