"""``uvicorn live_trading.api.main:app``: the api alone, as the environment and ``config.yaml`` set it up."""

import os

from live_trading import observability
from live_trading.api.app import create_app
from live_trading.api.opening import open_services
from live_trading.config import Settings


def _open():  # type: ignore[no-untyped-def]
    settings = Settings.load(None, os.environ)
    observability.configure(settings.logging, settings.engine.data_dir, settings.secrets())
    return open_services(settings)


app = create_app(_open)
