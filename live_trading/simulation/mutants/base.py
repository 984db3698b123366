"""What a deliberate bug is."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any
from unittest.mock import patch

Apply = Callable[[ExitStack], None]


@dataclass(frozen=True, slots=True)
class Mutant:
    """One bug. ``apply`` puts patches on a stack; closing the stack takes them off."""

    name: str
    apply: Apply

    @property
    def what(self) -> str:
        """The bug in a sentence."""
        return " ".join((self.apply.__doc__ or "").split())


@contextmanager
def mutated(mutant: Mutant) -> Iterator[None]:
    """The engine has this bug inside the block."""
    with ExitStack() as stack:
        mutant.apply(stack)
        yield


def put(stack: ExitStack, owner: Any, name: str, value: Any) -> None:
    stack.enter_context(patch.object(owner, name, value))
