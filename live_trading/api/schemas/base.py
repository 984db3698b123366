"""What all shapes share, and how a stored document's shape becomes an answer's."""

from typing import Annotated, Any, Generic, TypeVar

from beanie import Document
from bson import ObjectId
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, StringConstraints, WithJsonSchema, create_model

T = TypeVar("T")

_ID_PATTERN = r"^[0-9a-f]{24}$"
EXAMPLE_ID = "6f706e000000000000010000"

Id = Annotated[
    Any, WithJsonSchema({"type": "string", "pattern": _ID_PATTERN, "examples": [EXAMPLE_ID]}, mode="serialization")
]
"""An id as it is told: 24 hexadecimal digits."""

GivenId = Annotated[str, StringConstraints(pattern=_ID_PATTERN)]
"""An id as it is given."""


def _no_nul(text: str) -> str:
    if "\x00" in text:
        raise ValueError("must not hold a NUL character")
    return text


Text = Annotated[str, AfterValidator(_no_nul)]
"""What a person wrote."""


class Given(BaseModel):
    """A request's body. What it does not know is refused, and what was given is never repeated in an error."""

    model_config = ConfigDict(extra="forbid", hide_input_in_errors=True)


class Told(BaseModel):
    """A part of an answer."""

    model_config = ConfigDict(extra="forbid")


class Read(Told):
    """An answer that shows the state: as of ``seq`` at least."""

    seq: int = Field(ge=0, description="the journal entry up to which everything shown is up to date")


class Rows(Read, Generic[T]):
    """A page."""

    items: list[T] = Field(description="the rows")
    next_cursor: str | None = Field(description="give it as cursor for the next page; null at the end")


class ProblemBody(BaseModel):
    """What went wrong (RFC 9457). ``code`` is stable; ``title`` and ``detail`` are for people."""

    model_config = ConfigDict(title="Problem", extra="allow")

    type: str = Field(description="where the code is explained")
    title: str = Field(description="the status in words")
    status: int = Field(ge=400, le=599, description="the HTTP status")
    code: str = Field(description="stable, e.g. INVALID_INPUT, WRONG_STATUS", examples=["INVALID_INPUT"])
    detail: str = Field(description="what is wrong and what would be right", examples=["limit: must be at most 1000"])
    field: str | None = Field(default=None, description="the part of the request that is wrong")


def told(model: type[Document], name: str, **more: Any) -> Any:
    """The answer's shape of a stored document: the same fields, every one of them there, and ids as text."""
    fields: dict[str, Any] = {"id": (Id, Field(description=model.model_fields["id"].description))}
    for field, info in model.model_fields.items():
        if field in ("id", "revision_id"):
            continue
        fields[field] = (_annotation(info.annotation), Field(description=info.description))
    return create_model(name, __base__=Told, __doc__=(model.__doc__ or "").strip().partition("\n")[0], **fields, **more)


def _annotation(annotation: Any) -> Any:
    if isinstance(annotation, type) and issubclass(annotation, ObjectId):
        return Id
    parts = getattr(annotation, "__args__", ())
    if parts and any(isinstance(part, type) and issubclass(part, ObjectId) for part in parts):
        return Id | None
    return annotation
