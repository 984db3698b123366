"""What is to be run: an operation as a person would create it, the data, the exchange, the engine's settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from live_trading.backtest.data import Span
from live_trading.domain.bar_size import BarSize
from live_trading.domain.errors import InvalidInput
from live_trading.domain.operation import OperationSettings
from live_trading.engine.context import EngineConfig
from live_trading.paper_exchange.catalogue import default_catalogue
from live_trading.paper_exchange.core import AccountSettings, Catalogue

BROKER = "paper"


def _recorded_markets() -> Catalogue:
    return default_catalogue(always_open=False)


@dataclass(frozen=True, slots=True)
class BacktestRequest:
    """One backtest. It can be pickled: sweeps send it to other processes and machines.

    ``operation`` holds the arguments of the command ``create_operation`` (``strategy_name``, ``strategy_config``,
    ``quantity``, ``initial_capital``, stops …); ``asset`` and ``bar_sizes`` follow from the data where they are not
    given. ``latency`` is how many seconds a command, an answer and an event each take on their way. ``stale_after``
    None takes data to be fresh as long as there is some; bars are always taken so. ``resets_kill_switch``: on the day
    after it was tripped somebody resets it, as somebody would.
    """

    data: tuple[Path, ...]
    operation: Mapping[str, Any]
    symbol: str | None = None
    first: datetime | None = None
    end: datetime | None = None
    config: EngineConfig = field(default_factory=EngineConfig)
    catalogue: Catalogue = field(default_factory=_recorded_markets)
    account: AccountSettings = AccountSettings()  # noqa: RUF009 - it is frozen
    latency: float = 0.0
    stale_after: float | None = None
    resets_kill_switch: bool = True
    keeps_bars: bool = True
    """Whether the result holds bars and the equity at each of them: for charts."""

    @property
    def span(self) -> Span:
        """The part of the data that is wanted."""
        return Span.between(self.first, self.end)

    def with_parameters(self, values: Mapping[str, Any]) -> "BacktestRequest":
        """The same with other parameters of the strategy; a name with a dot in front is one of the operation's.

        A stop's or target's value alone is one of the type there is, given or by default.
        """
        own = {name[1:]: value for name, value in values.items() if name.startswith(".")}
        strategy = {name: value for name, value in values.items() if not name.startswith(".")}
        for kind in ("stop_loss", "take_profit"):
            name = f"{kind}_type"
            if f"{kind}_value" in own and name not in own and name not in self.operation:
                own[name] = self.config.operation_defaults.get(name, OperationSettings.model_fields[name].default)
        parameters = {**self.operation.get("strategy_config", {}), **strategy}
        return replace(self, operation={**self.operation, **own, "strategy_config": parameters})

    def arguments(self, symbol: str, bar_size: BarSize | None) -> dict[str, Any]:
        """The arguments of ``create_operation``, completed from the data."""
        given = dict(self.operation)
        if "bar_sizes" not in given:
            if bar_size is None:
                raise InvalidInput("--bar-size", "ticks do not tell the size of bars", 'Give one, such as "1 min"')
            given["bar_sizes"] = [bar_size.value]
        given.setdefault("asset", symbol)
        given.setdefault("broker", BROKER)
        if given["asset"] != symbol:
            raise InvalidInput("--asset", f"the data is of {symbol}, not of {given['asset']}", "Give its own data")
        return given
