"""The journal, and the state as of any of its entries."""

import re
from datetime import datetime
from typing import Annotated, Final

from fastapi import Path, Query
from starlette.requests import Request
from starlette.responses import Response

from live_trading.api.answers import answer
from live_trading.api.guard import VIEWER, Service, router
from live_trading.api.journal_pages import LOOKED_AT, Wanted, entries_page
from live_trading.api.problems import invalid, not_found
from live_trading.api.routes.parameters import Cursor, Limit, OfOperation
from live_trading.api.schemas.base import Text
from live_trading.api.schemas.journal import Entries, EntryDetail, Integrity, State
from live_trading.domain.entries import CATALOGUE
from live_trading.journal.errors import Damaged
from live_trading.models.queries import entry_fields, object_id
from live_trading.projections.time_travel import describe, ledger_at, sequence_number_at

api = router("journal")

_HIGHEST: Final = 10**15
_NUMBER: Final = re.compile(r"[0-9]{1,16}")


@api.get("/journal", response_model=Entries, openapi_extra=VIEWER)
async def list_entries(
    request: Request,
    service: Service,
    first: Annotated[int, Query(alias="from", ge=1, le=_HIGHEST, description="the first number")] = 1,
    last: Annotated[int | None, Query(alias="to", ge=1, le=_HIGHEST, description="the last number")] = None,
    operation: OfOperation = None,
    action_type: Annotated[
        list[str] | None, Query(alias="type", max_length=60, description="only those types; may be repeated")
    ] = None,
    actor: Annotated[Text | None, Query(max_length=128, description="only by engine, user:anna, …")] = None,
    correlation: Annotated[
        int | None, Query(ge=1, le=_HIGHEST, description="only the chain that this entry began")
    ] = None,
    order: Annotated[str, Query(pattern="^(asc|desc)$", description="asc: oldest first; desc: newest first")] = "asc",
    limit: Limit = 100,
    cursor: Cursor = None,
) -> Response:
    """Entries by number. A page of a rare type may hold few, or none, and a cursor to go on from."""
    for each in action_type or ():
        if each not in CATALOGUE:
            raise invalid("type", f"there are no such entries: use one of {', '.join(CATALOGUE)}")
    wanted = Wanted(
        operation_id=object_id(operation, "operation") if operation is not None else None,
        types=frozenset(action_type) if action_type else None,
        correlations=frozenset({correlation}) if correlation is not None else None,
        actor=actor,
    )
    seq = await service.seq()
    found = await entries_page(
        service, wanted, limit=limit, cursor=cursor, newest_first=order == "desc", first=first, last=last
    )
    return answer(request, found.content(), seq)


@api.get("/journal/verify", response_model=Integrity, openapi_extra=VIEWER)
async def verify_entries(
    request: Request,
    service: Service,
    last: Annotated[int, Query(ge=1, le=LOOKED_AT, description="how many of the newest entries")] = 1000,
) -> Response:
    """Look at the newest entries: numbers, hashes, and the chain. The whole is verified by the command line."""
    head = await service.reader.head()
    first = max(1, head.sequence_number - last + 1)
    problem = None
    try:
        async for _ in service.reader.read_batches(first - 1, head.sequence_number):
            continue
    except Damaged as damage:
        problem = str(damage)
    content = {
        "first": first,
        "last": head.sequence_number,
        "ok": problem is None,
        "problem": problem,
        "head_hash": head.hash.hex(),
    }
    return answer(request, content, head.sequence_number)


@api.get("/journal/{sequence_number}", response_model=EntryDetail, openapi_extra=VIEWER)
async def get_entry(
    request: Request,
    service: Service,
    sequence_number: Annotated[int, Path(ge=1, le=_HIGHEST, description="the entry's number")],
) -> Response:
    """One entry."""
    entry = await service.reader.entry(sequence_number)
    if entry is None:
        raise not_found(f"entry {sequence_number}", "sequence_number")
    return answer(request, entry_fields(entry), sequence_number)


@api.get("/state", response_model=State, openapi_extra=VIEWER)
async def get_state(
    request: Request,
    service: Service,
    at: Annotated[
        Text | None,
        Query(max_length=40, description="an entry's number, or a time like 2026-03-02T14:30:00Z; now if left out"),
    ] = None,
) -> Response:
    """The whole state as it was: folded from the journal, from the nearest snapshot on."""
    wanted: int | None = None
    if at is not None:
        wanted = int(at) if _NUMBER.fullmatch(at) else await sequence_number_at(service.reader, _time(at))
    ledger = await ledger_at(service.reader, service.snapshots, wanted)
    return answer(request, describe(ledger), ledger.sequence_number)


def _time(text: str) -> datetime:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        raise invalid("at", "is neither an entry's number nor a time like 2026-03-02T14:30:00Z") from None
    if found.tzinfo is None:
        raise invalid("at", "the time has no time zone: give it like 2026-03-02T14:30:00Z")
    return found
