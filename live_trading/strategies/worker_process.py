"""The process a heavy strategy runs in: ``python -m live_trading.strategies.worker_process``.

It reads requests from its standard input and writes answers to its standard output; what the strategy prints goes to
standard error. It ends when its input does, and when the engine that started it is gone, however busy it is.
"""

import os
import threading
import time
from typing import BinaryIO

from live_trading.domain.errors import InvalidInput
from live_trading.domain.instrument import Instrument
from live_trading.runtime import SystemClock
from live_trading.strategies.base import StrategyFailed
from live_trading.strategies.live_adapter import LiveStrategyAdapter
from live_trading.strategies.registry import load_strategy, parse_parameters
from live_trading.strategies.worker_messages import (
    HEADER_BYTES,
    Answer,
    Answered,
    Begin,
    Failed,
    OnBar,
    Ready,
    Request,
    Start,
    decode_request,
    encode,
    length_of,
)

_LOOK_AFTER_PARENT = 0.5


class Worker:
    """Answers requests, one after the other."""

    def __init__(self) -> None:
        self._adapter: LiveStrategyAdapter | None = None

    def answer(self, request: Request) -> Answer:
        """Carry out a request. Whatever the strategy does wrong is an answer, too."""
        try:
            match request:
                case Start():
                    self._adapter = _adapter(request)
                    return Ready()
                case Begin(bars):
                    adapter = self._started()
                    adapter.warm_up(bars)
                    return Answered.of(None, adapter.ready, adapter.indicators)
                case OnBar(bar, position):
                    adapter = self._started()
                    return Answered.of(adapter.on_bar(bar, position), adapter.ready, adapter.indicators)
        except StrategyFailed as error:
            return Failed(error.reason)
        except InvalidInput as error:
            return Failed(error.problem)
        except Exception as error:
            return Failed(f"{type(error).__name__}: {error}")

    def _started(self) -> LiveStrategyAdapter:
        if self._adapter is None:
            raise RuntimeError("the first request must be Start")
        return self._adapter


def _adapter(start: Start) -> LiveStrategyAdapter:
    strategy = load_strategy(start.strategy_name)
    return LiveStrategyAdapter(
        strategy,
        parse_parameters(strategy, start.parameters),
        start.symbol,
        start.bar_sizes,
        start.primary,
        SystemClock(),
        time_budget=float("inf"),  # the engine's deadline is the one that counts, and it can end us
        instrument=None if start.instrument is None else Instrument.model_validate(start.instrument),
    )


def serve(requests: BinaryIO, answers: BinaryIO) -> None:
    """Answer until the requests end."""
    worker = Worker()
    while len(header := requests.read(HEADER_BYTES)) == HEADER_BYTES:
        payload = requests.read(length_of(header))
        try:
            encoded = encode(worker.answer(decode_request(payload)))
        except (TypeError, ValueError) as error:
            encoded = encode(Failed(f"the answer cannot be sent: {error}"))
        answers.write(encoded)
        answers.flush()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(_LOOK_AFTER_PARENT)
    os._exit(1)


def main() -> None:
    """Serve on the standard streams."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what the strategy prints is no answer
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()
    serve(requests, answers)


if __name__ == "__main__":
    main()
