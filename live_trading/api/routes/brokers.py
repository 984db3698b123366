"""Broker configurations: how accounts are reached. Secrets go in and never come out."""

from live_trading.api.guard import router

api = router("brokers")
