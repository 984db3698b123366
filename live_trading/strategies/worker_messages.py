"""What an engine and a strategy's worker process say to each other: length-prefixed MessagePack, one answer a request.

A message is never larger than 64 MiB, and there is never more than one under way, so the pipes between the two hold a
bounded amount whatever either side does.
"""

from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any, Self

import msgspec

from live_trading.domain.bar_size import BarSize
from live_trading.domain.market import Bar
from live_trading.strategies.base import Signal, StrategyPosition

MAX_BYTES = 64 << 20
HEADER_BYTES = 4


class Start(msgspec.Struct, tag=True, frozen=True):
    """Load a strategy. Answered by :class:`Ready` or :class:`Failed`."""

    strategy_name: str
    parameters: dict[str, Any]
    symbol: str
    instrument: dict[str, Any] | None
    bar_sizes: tuple[BarSize, ...]
    primary: BarSize


class Begin(msgspec.Struct, tag=True, frozen=True):
    """Forget everything and read these bars. Answered as :class:`OnBar` is, without a signal."""

    bars: dict[BarSize, list[Bar]]


class OnBar(msgspec.Struct, tag=True, frozen=True):
    """Take a closed bar. Answered by :class:`Answered` or :class:`Failed`."""

    bar: Bar
    position: StrategyPosition


class Ready(msgspec.Struct, tag=True, frozen=True):
    """The strategy is loaded."""


class Answered(msgspec.Struct, tag=True, frozen=True):
    """The strategy's answer, and the indicators as they are now. ``decimals`` are the inputs that were decimals: on
    their way they are strings, as are the prices."""

    signal: Signal | None
    ready: bool
    indicators: dict[BarSize, dict[str, float | None]]
    decimals: tuple[str, ...] = ()

    @classmethod
    def of(cls, signal: Signal | None, ready: bool, indicators: Mapping[BarSize, Mapping[str, float | None]]) -> Self:
        """To be sent."""
        inputs = {} if signal is None else signal.inputs
        decimals = tuple(name for name, value in inputs.items() if isinstance(value, Decimal))
        return cls(signal, ready, {size: dict(values) for size, values in indicators.items()}, decimals)

    @property
    def restored(self) -> Signal | None:
        """The signal as the strategy gave it."""
        if self.signal is None or not self.decimals:
            return self.signal
        inputs = {k: Decimal(v) if k in self.decimals else v for k, v in self.signal.inputs.items()}
        return replace(self.signal, inputs=inputs)


class Failed(msgspec.Struct, tag=True, frozen=True):
    """The strategy failed, for this reason. The process goes on."""

    reason: str


Request = Start | Begin | OnBar
Answer = Ready | Answered | Failed

_encoder = msgspec.msgpack.Encoder(enc_hook=lambda value: value.item() if hasattr(value, "item") else str(value))
_requests: msgspec.msgpack.Decoder[Request] = msgspec.msgpack.Decoder(Request)
_answers: msgspec.msgpack.Decoder[Answer] = msgspec.msgpack.Decoder(Answer)


def encode(message: Request | Answer) -> bytes:
    """The message with its length before it. Raises ``ValueError`` when it is too large."""
    payload = _encoder.encode(message)
    if len(payload) > MAX_BYTES:
        raise ValueError(f"a message of {len(payload)} bytes is larger than {MAX_BYTES}")
    return len(payload).to_bytes(HEADER_BYTES) + payload


def length_of(header: bytes) -> int:
    """The length that a header tells. Raises ``ValueError`` when it is too large to be true."""
    length = int.from_bytes(header)
    if length > MAX_BYTES:
        raise ValueError(f"a message of {length} bytes is larger than {MAX_BYTES}")
    return length


def decode_request(payload: bytes) -> Request:
    """A request. Raises ``msgspec.DecodeError`` for anything else."""
    return _requests.decode(payload)


def decode_answer(payload: bytes) -> Answer:
    """An answer. Raises ``msgspec.DecodeError`` for anything else."""
    return _answers.decode(payload)
