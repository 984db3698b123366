"""Old shapes of facts made new, on read. The stored entry is never touched.

When a shape changes, its class's ``ACTION_VERSION`` goes up and :data:`UPCASTERS` gets a pure function from the shape
before to the shape after. Functions chain: ``v1 → v2 → v3``. Every old version stays as a golden fixture in the tests.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final

Facts = dict[str, Any]
"""``action_data`` as it is stored, with decimals as ``Decimal`` and times aware."""

Upcaster = Callable[[Facts], Facts]

UPCASTERS: Final[dict[tuple[str, int], Upcaster]] = {}
"""By ``action_type`` and the version it reads; each returns the facts in the next version's shape."""


class NoUpcaster(LookupError):  # noqa: N818 - it names what is missing
    """There is no way from the stored version to the one this program knows."""


def upcast(
    action_type: str,
    version: int,
    current: int,
    facts: Facts,
    upcasters: Mapping[tuple[str, int], Upcaster] = UPCASTERS,
) -> Facts:
    """The facts of ``version`` in the shape of version ``current``. Raises :class:`NoUpcaster`."""
    if version > current:
        raise NoUpcaster(f"version {version} is newer than the version {current} this program knows")
    for step in range(version, current):
        upcaster = upcasters.get((action_type, step))
        if upcaster is None:
            raise NoUpcaster(f"there is no way from version {step} to version {step + 1}")
        facts = upcaster(facts)
    return facts
