"""Parameters that many routes have."""

from datetime import datetime
from typing import Annotated

from fastapi import Path, Query

from live_trading.api.paging import MAX_LIMIT
from live_trading.api.schemas.base import EXAMPLE_ID

_ID = r"^[0-9a-f]{24}$"

OperationId = Annotated[str, Path(pattern=_ID, description="the operation's id", examples=[EXAMPLE_ID])]
PositionId = Annotated[str, Path(pattern=_ID, description="the position's id")]
TradeId = Annotated[str, Path(pattern=_ID, description="the trade's id")]
Cursor = Annotated[
    str | None, Query(max_length=1000, description="next_cursor of the page before; the first page if left out")
]
Limit = Annotated[int, Query(ge=1, le=MAX_LIMIT, description="most rows")]
Since = Annotated[datetime | None, Query(description="only from this time on")]
Until = Annotated[datetime | None, Query(description="only before this time")]
OfOperation = Annotated[str | None, Query(pattern=_ID, description="only of this operation")]
