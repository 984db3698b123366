"""``Decimal`` to BSON's Decimal128 and back, exactly, and several times as fast as the driver's own conversion.

Decimal128 holds 34 digits and exponents from -6176 to 6111 (IEEE 754-2008 decimal128, BID encoding: one bit sign, 14
bits exponent, 113 bits coefficient). The exponent is kept as it is: ``1.10`` stays ``1.10``. A number that does not
fit, and whatever is not a number, is refused: money is never rounded in silence.
"""

from decimal import Decimal
from functools import lru_cache
from typing import Any, Final

from bson.codec_options import TypeCodec
from bson.decimal128 import Decimal128

MAX_DIGITS: Final = 34
MIN_EXPONENT: Final = -6176
MAX_EXPONENT: Final = 6111

_LOW_64: Final = (1 << 64) - 1
_COEFFICIENT_HIGH: Final = (1 << 49) - 1
_EXPONENT_MASK: Final = (1 << 14) - 1
_SPECIAL: Final = 0x6000000000000000  # both bits set: infinity, NaN, or a coefficient over 34 digits

# Prices and quantities repeat; the caches are keyed by the exact spelling, so equal numbers of different exponents
# never stand in for each other.
_CACHED: Final = 16_384


class _Packed(Decimal128):
    """A Decimal128 that keeps its 16 bytes instead of packing them anew each time it is written."""

    __slots__ = ("bid",)


@lru_cache(maxsize=_CACHED)
def bid_bytes(text: str) -> bytes:
    """The 16 bytes of the number ``text`` spells. Raises ``ValueError`` when it cannot be kept exactly."""
    sign, digits, exponent = Decimal(text).as_tuple()
    if not isinstance(exponent, int):
        raise ValueError(f"{text} is not a number that can be kept")
    if len(digits) > MAX_DIGITS or not MIN_EXPONENT <= exponent <= MAX_EXPONENT:
        raise ValueError(f"{text} does not fit: at most {MAX_DIGITS} digits can be kept exactly")
    coefficient = int("".join(map(str, digits)))
    high = sign << 63 | (exponent - MIN_EXPONENT) << 49 | coefficient >> 64
    return (coefficient & _LOW_64).to_bytes(8, "little") + high.to_bytes(8, "little")


@lru_cache(maxsize=_CACHED)
def _encoded(text: str) -> Decimal128:
    bid = bid_bytes(text)
    packed = _Packed.from_bid(bid)
    packed.bid = bid  # type: ignore[misc]
    return packed


@lru_cache(maxsize=_CACHED)
def _decoded(high: int, low: int) -> Decimal:
    if high & _SPECIAL == _SPECIAL:
        raise ValueError("the Decimal128 is not a finite number of at most 34 digits")
    exponent = (high >> 49 & _EXPONENT_MASK) + MIN_EXPONENT
    coefficient = (high & _COEFFICIENT_HIGH) << 64 | low
    return Decimal(f"{'-' if high >> 63 else ''}{coefficient}E{exponent}")


def to_decimal128(value: Decimal) -> Decimal128:
    """The same number in BSON. Raises ``ValueError`` when it cannot be kept exactly."""
    return _encoded(str(value))


def from_decimal128(value: Decimal128) -> Decimal:
    """The same number as a ``Decimal``, exponent kept. Raises ``ValueError`` for infinities and NaN."""
    return _decoded(*value.__getstate__())


class DecimalCodec(TypeCodec):
    """Tells the driver to read and write ``Decimal`` as such."""

    python_type = Decimal
    bson_type = Decimal128

    def transform_python(self, value: Any) -> Decimal128:
        return _encoded(str(value))

    def transform_bson(self, value: Any) -> Decimal:
        return _decoded(*value.__getstate__())
