"""A sweep as one HTML file that needs nothing else: a table to sort and, of two parameters, a map of them."""

from html import escape
from typing import Any

from live_trading.backtest.page import embedded, figure_row, filled
from live_trading.backtest.sweep import SweepResult
from live_trading.backtest.sweep_report import MEASURES, ranked, subtitle, value_text

_DIGITS = 10
_SETTINGS = (
    "bar_sizes", "quantity", "position_sizing", "position_sizing_value", "initial_capital", "stop_loss_type",
    "stop_loss_value", "take_profit_type", "take_profit_value", "entry_valid_bars",
)  # fmt: skip


def sweep_page(result: SweepResult, sort: str) -> str:
    """The whole page."""
    has_map = len(result.grid.axes) == 2
    return filled(
        "sweep",
        title=escape(f"{result.about.title}: sweep"),
        subtitle=escape(subtitle(result)),
        map="" if has_map else " hidden",
        settings="".join(figure_row(name, value) for name, value in _settings(result.about.settings)),
        options="".join(_option(name, sort) for name in MEASURES),
        data=embedded(_data(result, sort)),
    )


def _settings(settings: dict[str, Any]) -> list[tuple[str, str]]:
    """The parameters and what orders follow from."""
    rows = [(name, value_text(value)) for name, value in settings["strategy_config"].items()]
    for name in _SETTINGS:
        value = settings.get(name)
        if value is not None:
            rows.append((name.replace("_", " "), ", ".join(value) if isinstance(value, list) else str(value)))
    return rows


def _option(name: str, sort: str) -> str:
    chosen = " selected" if name == sort else ""
    return f'<option value="{name}"{chosen}>{escape(MEASURES[name].title)}</option>'


def _data(result: SweepResult, sort: str) -> dict[str, Any]:
    """Values are given by their places on the axes."""
    axes = result.grid.axes
    places = {name: {repr(value): place for place, value in enumerate(values)} for name, values in axes.items()}
    rows = []
    for row in ranked(result.rows, sort):
        found = row.statistics
        at = [places[name][repr(row.parameters[name])] for name in axes]
        figures = None if found is None else [_rounded(getattr(found, name)) for name in MEASURES]
        rows.append([at, figures, row.error])
    return {
        "currency": result.about.currency,
        "axes": [[name, [value_text(value) for value in values]] for name, values in axes.items()],
        "measures": [[name, *measure] for name, measure in MEASURES.items()],
        "sort": sort,
        "rows": rows,
    }


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, _DIGITS)
