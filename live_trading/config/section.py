"""What every group of settings is made of."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError


def setting(default: Any, description: str, *, unit: str = "", env: str = "", **bounds: Any) -> Any:
    """A pydantic field with the unit its number is in and the environment variable that overrides it."""
    return Field(default, description=description, json_schema_extra={"unit": unit, "env": env}, **bounds)


class Section(BaseModel):
    """A group of settings. Frozen; refuses keys it does not know; errors never repeat the input."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_number_for_a_switch(cls, value: Any, info: ValidationInfo) -> Any:
        """``port: yes`` is not port 1, and ``file: 1`` is not ``file: true``."""
        is_switch = info.field_name is not None and cls.model_fields[info.field_name].annotation is bool
        if isinstance(value, int | float) and isinstance(value, bool) is not is_switch:
            raise PydanticCustomError("wrong_kind", "is a number where a switch is meant, or a switch for a number")
        return value
