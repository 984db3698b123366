"""Does a configured broker account answer? Asked without an adapter: nothing is subscribed to, nothing is sent.

* PAPER: the exchange's ``/v1/health``.
* IBKR: the handshake of TWS and IB Gateway (``API\\0`` and the versions; the answer is the server's version and time).
* OANDA: the account's summary (``GET /v3/accounts/{id}/summary``), which shows that key and account are right.
"""

import asyncio
from typing import Final

import httpx

from live_trading.brokers.errors import BrokerError, Fatal, Retryable
from live_trading.config import BrokerType
from live_trading.domain.values import AccountType
from live_trading.models.broker_configurations import BrokerConnection

PATIENCE: Final = 10.0
"""Seconds."""

_OANDA: Final = {
    AccountType.PAPER: "https://api-fxpractice.oanda.com",
    AccountType.LIVE: "https://api-fxtrade.oanda.com",
}
_TWS_VERSIONS: Final = b"v157..178"
_MOST_BYTES: Final = 4096


async def probe(connection: BrokerConnection, patience: float = PATIENCE) -> str:
    """Ask, and return in words what answered. Raises :class:`BrokerError` with what is wrong; never with a secret."""
    asking = {BrokerType.PAPER: _paper, BrokerType.IBKR: _ibkr, BrokerType.OANDA: _oanda}[connection.broker_name]
    try:
        async with asyncio.timeout(patience):
            return await asking(connection)
    except BrokerError:
        raise
    except TimeoutError:
        raise Retryable(f"nothing answered within {patience:g} s: check the address, and that it runs") from None
    except (httpx.HTTPError, OSError, ValueError) as error:
        raise Retryable(f"nothing that could be understood answered ({type(error).__name__})") from None


async def _get(url: str, headers: dict[str, str] | None = None) -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False, follow_redirects=False) as client:
        return await client.get(url, headers=headers)


async def _paper(connection: BrokerConnection) -> str:
    response = await _get(connection.config["url"].rstrip("/") + "/v1/health")
    health = response.json()
    if response.status_code != 200 or not isinstance(health, dict) or not health.get("accounts"):
        raise Fatal("what answers at config.url is no paper exchange: correct the address")
    accounts = [str(account) for account in health["accounts"]]
    if connection.account_id is not None and connection.account_id not in accounts:
        raise Fatal(f"the exchange has no account {connection.account_id}: it has {', '.join(accounts)}")
    return f"a paper exchange with {', '.join(accounts)}"


async def _ibkr(connection: BrokerConnection) -> str:
    reader, writer = await asyncio.open_connection(connection.host, connection.port)
    try:
        writer.write(b"API\0" + len(_TWS_VERSIONS).to_bytes(4) + _TWS_VERSIONS)
        await writer.drain()
        length = int.from_bytes(await reader.readexactly(4))
        if not 0 < length <= _MOST_BYTES:
            raise Fatal("what answers there does not speak TWS's protocol: correct host and port")
        version, _, rest = (await reader.readexactly(length)).partition(b"\0")
    except asyncio.IncompleteReadError:
        raise Fatal("TWS or IB Gateway closed the connection: allow API clients in its settings") from None
    finally:
        writer.close()
    if not version.isdigit():
        raise Fatal("what answers there does not speak TWS's protocol: correct host and port")
    return f"TWS or IB Gateway, server version {version.decode()}, {rest[:40].rstrip(bytes(1))!r}"


async def _oanda(connection: BrokerConnection) -> str:
    if connection.api_key is None:
        raise Fatal("api_key is not set")
    base = connection.config.get("rest_url") or _OANDA[connection.account_type]
    key = {"Authorization": f"Bearer {connection.api_key.get_secret_value()}"}
    response = await _get(f"{base.rstrip('/')}/v3/accounts/{connection.account_id}/summary", key)
    if response.status_code in (401, 403):
        raise Fatal(f"OANDA refuses the key for account {connection.account_id} ({response.status_code})")
    if response.status_code == 404:
        raise Fatal(f"OANDA knows no account {connection.account_id}")
    if response.status_code != 200:
        raise Retryable(f"OANDA answered {response.status_code}: try again")
    account = response.json().get("account", {})
    return f"OANDA account {account.get('id', connection.account_id)} in {account.get('currency', 'its currency')}"
