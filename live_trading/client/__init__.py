"""A client of the HTTP interface: typed answers, tokens that renew themselves, commands that are safe to send again."""

from live_trading.client.client import Client, Outcome
from live_trading.client.errors import ClientError, InterfaceAway, NotAllowed, Refused
from live_trading.client.feed import Message

__all__ = ["Client", "ClientError", "InterfaceAway", "Message", "NotAllowed", "Outcome", "Refused"]
