"""Types of the documents' fields: exact decimals and aware times, whatever client reads them."""

from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

from bson import Decimal128
from pydantic import BeforeValidator


def _decimal(value: Any) -> Any:
    return value.to_decimal() if isinstance(value, Decimal128) else value


def _aware(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) and value.tzinfo is None else value


Number = Annotated[Decimal, BeforeValidator(_decimal)]
"""A ``Decimal``, kept as Decimal128: prices, quantities, money, and fractions for what is called ``…_pct``."""

Time = Annotated[datetime, BeforeValidator(_aware)]
"""An aware UTC time, kept as a date (milliseconds)."""
