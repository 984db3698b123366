"""From settings to the engine's configuration. Pure."""

from collections.abc import Sequence

from live_trading.config import Settings
from live_trading.engine.account_session import SessionTimes
from live_trading.engine.context import EngineConfig, limits_of
from live_trading.models.broker_configurations import BrokerConnection

_SECOND_NS = 1_000_000_000


def engine_config(
    settings: Settings, others: Sequence[BrokerConnection] = (), *, lossless_ticks: bool = False
) -> EngineConfig:
    """The engine's configuration. ``others`` are the brokers besides the settings' own. ``lossless_ticks``: the market
    waits for us, as a replay does; drop nothing."""
    engine, risk, data = settings.engine, settings.risk_management, settings.market_data
    return EngineConfig(
        engine_id=engine.id,
        limits=limits_of(risk),
        times=SessionTimes(
            reconcile_interval=engine.reconcile_interval_seconds,
            backoff_min=engine.reconnect_backoff_min_seconds,
            backoff_max=engine.reconnect_backoff_max_seconds,
            doubt_interval=engine.in_doubt_interval_seconds,
        ),
        order_timeout=engine.order_timeout_seconds,
        doubt_patience=engine.in_doubt_patience_seconds,
        entry_patience=engine.entry_patience_seconds,
        price_patience=engine.price_patience_seconds,
        stale_after=data.stale_after_seconds,
        late_grace_ns=round(data.late_grace_seconds * _SECOND_NS),
        max_filled_ns=data.gap_fill_minutes * 60 * _SECOND_NS,
        strategy_workers=not lossless_ticks,
        ticks_directory=engine.data_dir / "ticks" if data.record_ticks else None,
        tick_buffer=data.tick_buffer_size,
        tick_max_age=data.tick_ttl_seconds,
        lossless_ticks=lossless_ticks,
        snapshot_every=engine.snapshot_every_entries,
        stop_patience=engine.stop_patience_seconds,
        trailing_stops_at_broker=risk.trailing_stops_at_broker,
        operation_defaults={**risk.operation_defaults(None), "broker": settings.broker.name},
        account_types={
            settings.broker.name: settings.broker.account_type,
            **{each.name: each.account_type for each in others},
        },
        risk=risk,
    )
