"""What the tests of datasets have at hand serves those of imports."""

from tests.datasets.conftest import full_disk, photographs, picture, source, state_of_its_own, version

__all__ = ["full_disk", "photographs", "picture", "source", "state_of_its_own", "version"]
