"""Logs: JSON lines for machines, a readable form on a terminal, and never a secret.

Every line has the time in UTC, the level, the logger and the event. What is bound with :func:`context` (the operation,
the entry's number, the command) stands on each line logged inside it, across ``await``. The time a line carries is
the machine's and is only ever read by people: nothing is decided by it, so it is the one clock that is not injected.
"""

import logging
import logging.handlers
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO

import msgspec
import structlog
from pydantic import BaseModel, SecretBytes, SecretStr
from structlog.typing import EventDict, Processor, WrappedLogger

from live_trading.config.schema import LogFormat, LoggingSettings

LOG_FILE = "live-trading.log"
HIDDEN = "(hidden)"
_MAX_DEPTH = 8
_SHORTEST_SECRET = 4
"""Shorter secrets are not looked for inside texts: hiding every "1" would hide the log."""


def configure(
    settings: LoggingSettings,
    data_dir: Path,
    secrets: Iterable[SecretStr] = (),
    stream: TextIO | None = None,
) -> None:
    """Set logging up for this process: once at its start, again to change it.

    Lines go to ``stream`` (standard error when None) and, if the settings say so, to a rotated file under ``data_dir``.
    The values of ``secrets`` are hidden wherever they turn up, also inside other texts and tracebacks.
    """
    stream = stream or sys.stderr
    console = settings.format is LogFormat.CONSOLE or (settings.format is LogFormat.AUTO and stream.isatty())
    hide = SecretHider(secret.get_secret_value() for secret in secrets)
    handlers: list[logging.Handler] = [_handler(logging.StreamHandler(stream), hide, console)]
    if settings.file:
        folder = data_dir / "logs"
        folder.mkdir(parents=True, exist_ok=True)
        rotated = logging.handlers.RotatingFileHandler(
            folder / LOG_FILE,
            maxBytes=settings.file_max_megabytes * 1_000_000,
            backupCount=settings.file_count,
            encoding="utf-8",
        )
        handlers.append(_handler(rotated, hide, console=False))
    root = logging.getLogger()
    for old in list(root.handlers):
        if isinstance(old.formatter, structlog.stdlib.ProcessorFormatter):
            root.removeHandler(old)
            old.close()
    for handler in handlers:
        root.addHandler(handler)
    root.setLevel(settings.level.value)
    # A driver's or a client's own chatter helps nobody at INFO.
    for chatty in ("pymongo", "httpx", "httpcore", "websockets", "uvicorn", "asyncio"):
        logging.getLogger(chatty).setLevel(max(logging.WARNING, root.level))
    structlog.configure(
        processors=[*_SHARED, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,
    )


def get_logger(name: str) -> structlog.stdlib.BoundLogger:
    """The logger of a module: ``log = get_logger(__name__)``; then ``log.info("order placed", client_order_id=…)``."""
    logger: structlog.stdlib.BoundLogger = structlog.stdlib.get_logger(name)
    return logger


@contextmanager
def context(**values: Any) -> Iterator[None]:
    """Put ``values`` (``operation_id``, ``sequence_number``, ``command_id``) on every line logged inside."""
    with structlog.contextvars.bound_contextvars(**values):
        yield


class SecretHider:
    """The last processor before rendering: no secret gets past it.

    A ``SecretStr`` is shown as hidden wherever it stands in a value (pydantic does so too; this does not rely on it).
    The values of known secrets are taken out of every text, as they may come back inside an error of a library: a
    connection address, a header.
    """

    def __init__(self, values: Iterable[str] = ()) -> None:
        self._values = sorted({value for value in values if len(value) >= _SHORTEST_SECRET}, key=len, reverse=True)

    def __call__(self, logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
        return {self._text(key): self._clean(value, 0) for key, value in event.items()}

    def _clean(self, value: Any, depth: int) -> Any:
        if isinstance(value, str):
            return self._text(value)
        if value is None or isinstance(value, bool | int | float):
            return value
        if isinstance(value, SecretStr | SecretBytes):
            return HIDDEN
        if depth >= _MAX_DEPTH:
            return "…"
        if isinstance(value, BaseModel):
            value = {name: getattr(value, name) for name in type(value).model_fields}
        if isinstance(value, Mapping):
            return {self._text(str(key)): self._clean(inner, depth + 1) for key, inner in value.items()}
        if isinstance(value, list | tuple | set | frozenset):
            return [self._clean(inner, depth + 1) for inner in value]
        try:
            return self._text(str(value))
        except Exception as error:  # a value that cannot be shown must not stop whoever logs it
            return f"({type(value).__name__} that cannot be shown: {type(error).__name__})"

    def _text(self, text: str) -> str:
        for value in self._values:
            text = text.replace(value, HIDDEN)
        return text


_SHARED: list[Processor] = [
    structlog.contextvars.merge_contextvars,
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.PositionalArgumentsFormatter(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
]


def _handler(handler: logging.Handler, hide: SecretHider, console: bool) -> logging.Handler:
    render: list[Processor]
    if console:
        render = [structlog.processors.format_exc_info, hide, structlog.dev.ConsoleRenderer(colors=_colours(handler))]
    else:
        render = [structlog.processors.format_exc_info, hide, structlog.processors.JSONRenderer(serializer=_json)]
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_SHARED,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    return handler


def _colours(handler: logging.Handler) -> bool:
    return isinstance(handler, logging.StreamHandler) and handler.stream.isatty()


def _json(event: EventDict, default: Callable[[Any], Any], **options: Any) -> str:
    return msgspec.json.encode(event, enc_hook=str).decode()
