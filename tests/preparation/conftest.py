"""The versions, photographs and disks of the tests of datasets."""

from __future__ import annotations

from tests.datasets.conftest import (
    full_disk,
    photographs,
    picture,
    source,
    state_of_its_own,
    version,
)

__all__ = ["full_disk", "photographs", "picture", "source", "state_of_its_own", "version"]
