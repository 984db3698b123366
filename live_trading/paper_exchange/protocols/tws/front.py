"""The TWS socket protocol, served by the paper exchange: what TWS and IB Gateway speak, over the same matching core.

Sources: ib_async 2.1's ``client.py`` and ``decoder.py``, the official ``ibapi`` 9.81, and
https://ibkrcampus.com/campus/ibkr-api-page/twsapi-doc/. Server versions 157 to 178.
"""

import asyncio
from collections.abc import Mapping

from live_trading.domain.errors import InvalidInput
from live_trading.paper_exchange import core
from live_trading.paper_exchange.exchange import Notice, SimulatedExchange
from live_trading.paper_exchange.faults import Fault, FaultKind
from live_trading.paper_exchange.protocols.front import FrontPlace
from live_trading.paper_exchange.protocols.tws.codes import Code
from live_trading.paper_exchange.protocols.tws.contracts import ContractBook
from live_trading.paper_exchange.protocols.tws.desk import OrderIds
from live_trading.paper_exchange.protocols.tws.session import Session
from live_trading.runtime.tasks import Tasks

MOST_CLIENTS = 32
"""Connections at a time, as TWS takes them."""
_LOOK_SECONDS = 0.02


class TwsFront:
    """Serves the TWS protocol for one exchange. Its ready notice tells ``host`` and ``port``."""

    name = "tws"

    def __init__(self, exchange: SimulatedExchange, place: FrontPlace) -> None:
        self._exchange = exchange
        self._place = place
        self._book = ContractBook(exchange.catalogue)
        self._ids = OrderIds(exchange.engine.orders)
        self._sessions: set[Session] = set()
        self._server: asyncio.Server | None = None
        self._tasks: Tasks | None = None
        self._outage: Fault | None = None

    async def start(self, tasks: Tasks) -> Mapping[str, object]:
        self._tasks = tasks
        place = self._place
        try:
            self._server = await asyncio.start_server(self._connected, place.host, place.port)
        except OSError as error:
            raise InvalidInput(
                "fronts", f"cannot listen on {place.host}:{place.port}: {error.strerror}", "Give a free port, or none"
            ) from error
        self._exchange.listen(self)
        tasks.start(self._watch_servers(), "connectivity of the TWS front")
        return {"host": place.host, "port": self._server.sockets[0].getsockname()[1]}

    async def close(self) -> None:
        self._exchange.leave(self)
        if self._server is not None:
            self._server.close()
        self.disconnect("the exchange is shutting down")

    def ready(self) -> bool:
        return True

    def subscriptions(self) -> set[str]:
        return {symbol for session in self._sessions for symbol in session.symbols}

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        assert self._tasks is not None
        if len(self._sessions) >= MOST_CLIENTS:
            writer.close()
            return
        session = Session(self._exchange, self._book, self._ids, self, reader, writer)
        self._sessions.add(session)
        writing = self._tasks.start(session.write(), "messages to a TWS client")
        try:
            await session.serve()
            await asyncio.wait([writing], timeout=1.0)
        finally:
            self._sessions.discard(session)
            writing.cancel()
            await asyncio.gather(writing, return_exceptions=True)

    # What a session asks

    def admit(self, session: Session) -> bool:
        return not any(
            other is not session and other.ready and other.client_id == session.client_id for other in self._sessions
        )

    def connected_to_servers(self) -> bool:
        return self._outage is None

    # What the exchange tells

    def deliver(self, notice: Notice) -> None:
        if isinstance(notice, core.OrderChanged):
            self._ids.take(notice.order)
        if self._outage is not None:
            return  # fills during an outage are never told: they must be asked for
        for session in tuple(self._sessions):
            if session.ready:
                session.deliver(notice)

    def disconnect(self, reason: str) -> None:
        for session in tuple(self._sessions):
            session.hang_up()

    async def _watch_servers(self) -> None:
        """Tell when the gateway loses its servers, and when it has them again."""
        while True:
            await self._exchange.clock.sleep(_LOOK_SECONDS)
            fault = self._exchange.faults.standing(FaultKind.CONNECTIVITY_LOST)
            if (fault is None) == (self._outage is None):
                continue
            code = Code.CONNECTIVITY_LOST
            if fault is None:
                lost = self._outage is not None and self._outage.match == "1101"
                code = Code.RESTORED_DATA_LOST if lost else Code.RESTORED
            self._outage = fault
            for session in tuple(self._sessions):
                if session.ready:
                    session.tell_connectivity(code)
