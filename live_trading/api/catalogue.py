"""What there is to choose from: strategies, instruments, settings."""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from pydantic import ValidationError

from live_trading.api.problems import invalid
from live_trading.api.services import Services
from live_trading.config import RiskSettings, Settings
from live_trading.models.queries import plain
from live_trading.paper_exchange import default_catalogue, read_catalogue
from live_trading.projections.documents import OPERATIONS
from live_trading.projections.time_travel import ledger_at
from live_trading.strategies import known_strategies, load_strategy

Fields = dict[str, Any]


def strategy_names() -> list[str]:
    """The registered strategies' names."""
    return sorted(known_strategies())


@lru_cache(maxsize=1)  # they are part of the installation
def _strategies() -> tuple[Fields, ...]:
    found = []
    for name in strategy_names():
        strategy = load_strategy(name)
        about = " ".join((strategy.__doc__ or "").split())
        found.append({"name": name, "about": about, "parameters": strategy.Parameters.model_json_schema()})
    return tuple(found)


def strategies() -> list[Fields]:
    """Every strategy with the schema of its parameters."""
    return list(_strategies())


async def instruments(service: Services, query: str) -> list[Fields]:
    """Instruments in which the text is found: the paper exchange's, and what operations trade."""
    path = service.settings.broker.paper.instruments
    listings = default_catalogue() if path is None else read_catalogue(path)
    found = {listing.instrument.symbol: plain(listing.instrument) for listing in listings}
    async for operation in service.database[OPERATIONS].find({}, {"instrument": 1}):
        found.setdefault(operation["instrument"]["symbol"], plain(operation["instrument"]))
    wanted = query.strip().lower()
    return [
        fields
        for symbol, fields in sorted(found.items())
        if not wanted
        or any(wanted in str(text).lower() for text in (symbol, fields["asset_class"], fields["currency"]))
    ]


async def effective_settings(service: Services) -> tuple[Settings, int]:
    """The settings with what people changed while running, as the journal has it."""
    ledger = await ledger_at(service.reader, service.snapshots)
    changed = ledger.state.settings.get("risk_management", {})
    return service.settings.changed({f"risk_management.{name}": value for name, value in changed.items()}), (
        ledger.sequence_number
    )


def checked_changes(settings: Settings, changes: Mapping[str, Any]) -> Fields:
    """The changes in their plain form; :class:`Problem` names the first that is wrong."""
    known = RiskSettings.model_fields
    for name in changes:
        if name not in known:
            raise invalid(f"risk_management.{name}", f"there is no such setting: use one of {', '.join(known)}")
    before = settings.risk_management.model_dump()
    try:
        after = RiskSettings.model_validate({**before, **changes})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        field = ".".join(("risk_management", *(str(part) for part in first["loc"])))
        raise invalid(field, str(first["msg"]).removeprefix("Value error, ")) from None
    result: Fields = {name: plain(getattr(after, name)) for name in changes}
    return result
