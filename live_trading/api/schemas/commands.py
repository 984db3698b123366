"""What people ask of the engine, and what came of it."""

from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any, Literal

from pydantic import Field, create_model

from live_trading.api.schemas.base import Given, GivenId, Text, Told
from live_trading.domain.operation import MAX_QUANTITY, UPDATABLE, OperationSettings
from live_trading.models.commands import CommandStatus

MAX_PRICE = Decimal(10) ** 12


class CommandOutcome(Told):
    """A command and what came of it. ``done`` and ``refused`` are final; asked under the same key, the same is told."""

    command_id: str = Field(description="its id")
    kind: str = Field(description="what was asked", examples=["pause_operation"])
    status: CommandStatus = Field(description="pending, done or refused")
    actor: str = Field(description="who asked", examples=["user:anna"])
    created_at: datetime = Field(description="when it was asked")
    handled_at: datetime | None = Field(description="when the engine had answered")
    sequence_number: int | None = Field(description="the journal entry that came of it")
    operation_id: str | None = Field(description="the operation it was about, where the engine said so")
    result: dict[str, Any] | None = Field(description="what came of it, when done")
    error: dict[str, Any] | None = Field(description="why not, when refused: code, detail, field")


class CommandRead(CommandOutcome):
    """A command as it is now."""

    seq: int = Field(default=0, ge=0, description="the journal entry that came of it; left out before there is one")


class Reason(Given):
    """Why; it is kept in the journal."""

    reason: Text = Field(default="", max_length=500, description="why; it is kept in the journal")


def _optional(name: str) -> Any:
    field = OperationSettings.model_fields[name]
    return (field.annotation | None, Field(default=None, description=field.description))  # type: ignore[operator]


_EXAMPLE: Any = {
    "asset": "EUR-USD",
    "bar_sizes": ["5 mins", "1 hour"],
    "strategy_name": "MomentumStrategy",
    "quantity": "10000",
    "initial_capital": "100000",
}

_GIVEN_ALWAYS = ("asset", "bar_sizes", "strategy_name", "quantity", "initial_capital", "strategy_config")

_NEW: dict[str, Any] = {
    name: (field.annotation, field) if name in _GIVEN_ALWAYS else _optional(name)
    for name, field in OperationSettings.model_fields.items()
}
_CHANGES: dict[str, Any] = {name: _optional(name) for name in sorted(UPDATABLE)}

NewOperation: Any = create_model(
    "NewOperation",
    __base__=Given,
    __doc__="An operation to be started. What is left out comes from risk_management in the settings.",
    **_NEW,
)
NewOperation.model_config["json_schema_extra"] = {"examples": [_EXAMPLE]}
NewOperation.model_rebuild(force=True)

OperationChange: Any = create_model(
    "OperationChange",
    __base__=Given,
    __doc__="Settings of an operation to be changed. null takes a stop or a target away.",
    **_CHANGES,
)


class OrderResolution(Given):
    """What a person found out about an order in doubt, by looking at the broker's own screen."""

    resolution: Literal["not_placed"] = Field(description="not_placed: the broker does not have it")
    note: Text = Field(min_length=1, max_length=1000, description="what shows it; it is kept in the journal")


class ProtectionKind(StrEnum):
    STOP_LOSS = "STOP_LOSS"
    TAKE_PROFIT = "TAKE_PROFIT"


class ProtectionMove(Given):
    """A new price of a position's stop or target."""

    kind: ProtectionKind = Field(description="which of the two")
    price: Decimal = Field(gt=0, le=MAX_PRICE, description="where it shall stand", examples=["1.0825"])


class Resolution(StrEnum):
    IGNORE = "ignore"
    ADOPT = "adopt"
    FLATTEN = "flatten"


class DiscrepancyResolution(Given):
    """What a position that differs at the broker is."""

    broker: Text = Field(min_length=1, max_length=32, description="whose position")
    symbol: Text = Field(min_length=1, max_length=32, description="of what")
    resolution: Resolution = Field(description="ignore: somebody else's; adopt: an operation's; flatten: and close it")
    operation_id: GivenId | None = Field(default=None, description="whose, where several operations trade it")
    price: Decimal | None = Field(default=None, gt=0, le=MAX_PRICE, description="booked at; the last price if left out")
    note: Text = Field(default="", max_length=500, description="why")


class NewNote(Given):
    """Something to be written down in an operation's journal."""

    text: Text = Field(min_length=1, max_length=4000, description="what")


class Direction(StrEnum):
    LONG = "Long"
    SHORT = "Short"


class ManualTradeRequest(Given):
    """A trade by hand. It goes through the same Gatekeeper as a strategy's, and its protections rest at the broker."""

    instrument: Text = Field(min_length=1, max_length=32, description="what to trade", examples=["EUR-USD"])
    direction: Direction = Field(description="Long buys, Short sells")
    quantity: Decimal = Field(gt=0, le=MAX_QUANTITY, description="units", examples=["10000"])
    stopLoss: Decimal | None = Field(  # noqa: N815 - the interface's own name
        default=None, gt=0, le=MAX_PRICE, description="price of the stop; by the settings if left out"
    )
    targetPrice: Decimal | None = Field(  # noqa: N815
        default=None, gt=0, le=MAX_PRICE, description="price of the target; by the settings if left out"
    )
    limitPrice: Decimal | None = Field(  # noqa: N815
        default=None, gt=0, le=MAX_PRICE, description="enter at this price or better; at market if left out"
    )
    operation_id: GivenId | None = Field(
        default=None, description="the operation to trade in; the instrument's manual operation if left out"
    )
    broker: Text | None = Field(default=None, min_length=1, max_length=32, description="where; paper if left out")
    reason: Text = Field(default="", max_length=500, description="why; it is kept in the journal")


class KillSwitch(Given):
    """Why the kill switch is pressed."""

    reason: Text = Field(default="", max_length=500, description="why; it is kept in the journal")


class KillSwitchReset(Given):
    """A word on the loss that is acknowledged by this."""

    note: Text = Field(default="", max_length=500, description="why; it is kept in the journal")
