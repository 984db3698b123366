"""Commands that only have something written down: who logged in or was refused, and what was changed where.

The journal is the engine's alone to write, so whoever has a fact for it that is not the engine's own asks with a
command. The fact itself happened where it was asked from, in the same transaction as the command.
"""

from typing import Any

from pydantic import BaseModel

from live_trading.config import RiskSettings
from live_trading.domain.entries import (
    RISK_SECTION,
    Draft,
    Entry,
    EntryData,
    SettingsChanged,
    UserAuthenticated,
    UserChanged,
    UserRefused,
)
from live_trading.engine.context import EngineContext
from live_trading.engine.inbox import Command, Refused
from live_trading.models.queries import plain

RECORDS: dict[str, type[EntryData]] = {
    "record_user_authenticated": UserAuthenticated,
    "record_user_refused": UserRefused,
    "record_user_changed": UserChanged,
    "record_settings_changed": SettingsChanged,
}


async def record(context: EngineContext, command: Command) -> Entry:
    """Write it down. Raises :class:`Refused`, or pydantic's ``ValidationError``."""
    data = RECORDS[command.kind].model_validate({**command.arguments, "command_id": command.id})
    if isinstance(data, SettingsChanged) and data.section == RISK_SECTION:
        raise Refused("INVALID_INPUT", f"section: {RISK_SECTION} is changed by change_settings", "section")
    (entry,) = await context.live.append(Draft(data, actor=command.actor))
    return entry


async def change_settings(context: EngineContext, command: Command) -> Entry:
    """Change risk settings. They hold as soon as the entry is folded."""
    (entry,) = await context.live.append(Draft(_settings_change(context, command), actor=command.actor))
    return entry


def _settings_change(context: EngineContext, command: Command) -> SettingsChanged:
    """New values of risk settings, checked. Raises :class:`Refused`, or pydantic's ``ValidationError``."""
    if command.arguments.get("section") != RISK_SECTION:
        raise Refused("INVALID_INPUT", f"section: only {RISK_SECTION} can be changed while running", "section")
    changes: Any = command.arguments.get("changes")
    if not isinstance(changes, dict) or not changes:
        raise Refused("INVALID_INPUT", "changes: give new values by name", "changes")
    before = context.config.risk or RiskSettings()
    after = RiskSettings.model_validate({**before.model_dump(), **changes})
    names = sorted(changes)
    return SettingsChanged(
        section=RISK_SECTION,
        before={name: _plain(before, name) for name in names},
        after={name: _plain(after, name) for name in names},
        command_id=command.id,
    )


def _plain(settings: BaseModel, name: str) -> Any:
    return plain(getattr(settings, name))
