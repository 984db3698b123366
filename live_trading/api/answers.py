"""Answers: JSON made straight from what the database holds, with a tag to ask "has it changed?" by.

Decimals are strings without an exponent, times ISO 8601 in UTC, ids hexadecimal. Every read carries ``seq``: all that
it shows follows from the journal up to that entry at least, so a socket opened with ``?after=<seq>`` misses nothing.
The tag (``ETag``) is of the content without ``seq``, so that an answer in which nothing changed is a 304.
"""

import hashlib
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from typing import Any, Final

import msgspec
from bson import Decimal128, ObjectId
from starlette.requests import Request
from starlette.responses import Response

from live_trading.models.queries import plain

JSON: Final = "application/json"


def _encode(value: Any) -> Any:
    if isinstance(value, Decimal128):
        return format(value.to_decimal(), "f")
    if isinstance(value, ObjectId):
        return str(value)
    return plain(value)


_encoder = msgspec.json.Encoder(enc_hook=_encode, decimal_format="string")


def encode(value: Any) -> bytes:
    """JSON of documents, entries and plain values."""
    return _encoder.encode(value)


def document(stored: Mapping[str, Any]) -> dict[str, Any]:
    """A stored document as it is told: ``_id`` is ``id``, times to the millisecond, everything else as it is."""
    return {"id": stored["_id"], **{key: _told(value) for key, value in stored.items() if key != "_id"}}


def _told(value: Any) -> Any:
    """Times and bare decimals in the one form they have everywhere."""
    if isinstance(value, datetime | Decimal):
        return plain(value)
    if isinstance(value, dict):
        return {key: _told(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_told(inner) for inner in value]
    return value


def answer(request: Request, content: Mapping[str, Any], seq: int | None, *, status: int = 200) -> Response:
    """A read. ``seq`` becomes part of the body and of the header ``X-Sequence-Number``."""
    body = encode(content)
    tag = f'"{hashlib.blake2b(body, digest_size=12).hexdigest()}"'
    headers = {"ETag": tag, "Cache-Control": "no-cache, private"}
    if seq is not None:
        headers["X-Sequence-Number"] = str(seq)
        body = body[:-1] + (b"," if len(body) > 2 else b"") + b'"seq":%d}' % seq
    if status == 200 and tag in request.headers.get("if-none-match", ""):
        return Response(None, 304, headers)
    return Response(body, status, headers, JSON)
