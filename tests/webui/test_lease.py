"""However a training ends, the WebUI's queue is given back."""

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from webui_shim.lease import GRACE_S, Lease


class Scene:
    """A queue, and a training whose life is told look by look."""

    def __init__(self, looks: list[bool | OSError]) -> None:
        self.lock = threading.Lock()
        self.looks = iter(looks)
        self.now = 0.0
        self.done: list[str] = []

    def is_locked(self, _: Path) -> bool:
        look = next(self.looks)
        if isinstance(look, OSError):
            raise look
        assert self.lock.locked()
        return look

    def sleep(self, _: float) -> None:
        self.now += GRACE_S / 4

    def lease(self, **changes) -> Lease:
        how = {"enter": lambda: self.done.append("unloaded"), "leave": lambda: self.done.append("reloaded")}
        return Lease(
            Path("job.lock"),
            self.lock,
            is_locked=self.is_locked,
            clock=lambda: self.now,
            sleep=self.sleep,
            **{**how, **changes},
        )


def broken() -> None:
    raise RuntimeError("no memory")


@pytest.mark.parametrize(
    "looks",
    [
        pytest.param([True, True, False], id="it ends"),
        pytest.param([False, True, False], id="it begins late"),
        pytest.param([False] * 5, id="it never begins"),
        pytest.param([True, OSError("gone")], id="its file can't be read"),
        pytest.param([True] * 100 + [False], id="it takes long"),
    ],
)
def test_it_is_given_back_when(looks: list[bool | OSError]) -> None:
    scene = Scene(looks)
    scene.lease().run()
    assert not scene.lock.locked()
    assert scene.done == ["unloaded", "reloaded"]
    assert next(scene.looks, None) is None


@pytest.mark.parametrize("what", ["enter", "leave"])
def test_it_is_given_back_when_the_webui_fails_at_its_part(what: str, capsys: pytest.CaptureFixture[str]) -> None:
    scene = Scene([True, False])
    scene.lease(**{what: broken}).run()
    assert not scene.lock.locked()
    assert "no memory" in capsys.readouterr().err


@pytest.fixture
def waiting() -> Iterator[tuple[Scene, Lease]]:
    """A lease behind a picture that is being made."""
    scene = Scene([False] * 10)
    scene.lock.acquire()
    lease = scene.lease()
    lease.begin()
    yield scene, lease
    lease.join()


def test_a_training_that_ended_while_a_picture_was_made_holds_nobody_up(waiting: tuple[Scene, Lease]) -> None:
    scene, lease = waiting
    assert not lease.taken.is_set()
    scene.now = GRACE_S
    scene.lock.release()
    lease.join()
    assert not scene.lock.locked()
