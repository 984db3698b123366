"""OANDA's v20 REST and streaming interface over the paper exchange, as OANDA documents it and its clients expect it.

======  ==============================================================================  ===============================
method  path under ``/v3``                                                              what
======  ==============================================================================  ===============================
GET     accounts, accounts/{id}, …/summary, …/instruments                               the account
GET     …/pricing, …/pricing/stream                                                     prices, and as they come
GET     instruments/{i}/candles, …/instruments/{i}/candles                              history
POST    …/orders                                                                        an order of any kind
GET     …/orders, …/pendingOrders, …/orders/{spec}                                      orders; ``{spec}`` is an id or
                                                                                        ``@`` and the client's own
PUT     …/orders/{spec}, …/orders/{spec}/cancel, …/orders/{spec}/clientExtensions       replace, cancel, rename
GET     …/trades, …/openTrades, …/trades/{spec}                                         trades
PUT     …/trades/{spec}/close, …/trades/{spec}/orders, …/trades/{spec}/clientExtensions close, protect, rename
GET     …/positions, …/openPositions, …/positions/{i}; PUT …/positions/{i}/close        positions
GET     …/transactions, …/idrange, …/sinceid, …/{id}, …/stream                          the account's record
======  ==============================================================================  ===============================

Everything an account is follows from its transactions, numbered from 1 without a gap, which are written down in the
same commit as what the matching core did (:mod:`.chronicle`) and folded by :mod:`.book`. Facts of the protocol are from
OANDA's developer documentation of v20 (REST, streams, definitions of orders, trades and transactions).

What is not OANDA's: there is no hedging (``OPEN_ONLY``); instruments of a multiplier other than 1 are not listed; an
order that trades in several parts keeps its id, and its parts add to one trade; a ``FOK`` order that the market fills
in part keeps that part; every price is streamed, not four a second; a correction of a fill by hand is booked as
administrative fills.
"""

from live_trading.paper_exchange.protocols.oanda.front import OandaFront

__all__ = ["OandaFront"]
