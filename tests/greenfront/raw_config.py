"""The smallest configuration, as it would be written."""

from typing import Any

MINIMAL: dict[str, Any] = {
    "model": {"path": "owner/name", "task": "text-classification"},
    "data": {"path": "owner/data"},
}


def minimal(**sections: object) -> dict[str, Any]:
    return {**MINIMAL, **sections}
