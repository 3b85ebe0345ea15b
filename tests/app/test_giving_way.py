from train_tools.app.giving_way import QUIET_S, REASON, GivingWay


class Scene:
    """A queue, a WebUI and a clock, to be set by hand."""

    def __init__(self, *, wanted: bool = True, run: bool = True, stopped_by: str | None = None) -> None:
        self.wanted, self.run, self.stopped_by = wanted, run, stopped_by
        self.waits = self.generates = False
        self.now = 0.0
        self.giving_way = GivingWay(self, self, lambda: self.wanted, lambda: self.now)

    def stop(self, reason: str) -> None:
        self.stopped_by, self.run = reason, False

    def go_on(self) -> None:
        self.stopped_by, self.run = None, True

    def somebody_waits(self) -> bool:
        return self.waits

    def somebody_generates(self) -> bool:
        return self.waits or self.generates

    def after(self, seconds: float) -> str | None:
        self.now += seconds
        self.giving_way.look()
        return self.stopped_by


def test_a_training_stops_for_who_waits_and_goes_on_when_it_is_quiet_again() -> None:
    scene = Scene()
    assert scene.after(1) is None
    scene.waits = True
    assert scene.after(1) == REASON
    scene.waits, scene.generates = False, True
    assert scene.after(1000) == REASON
    scene.generates = False
    assert scene.after(1) == REASON
    assert scene.after(QUIET_S - 1) == REASON
    assert scene.after(1) is None
    assert scene.run


def test_the_next_picture_begins_the_wait_anew() -> None:
    scene = Scene(stopped_by=REASON)
    assert scene.after(1) == REASON
    scene.generates = True
    assert scene.after(QUIET_S) == REASON
    scene.generates = False
    assert scene.after(1) == REASON
    assert scene.after(QUIET_S) is None


def test_what_a_user_has_paused_stays_paused() -> None:
    scene = Scene(stopped_by="")
    scene.waits = True
    assert scene.after(1) == ""
    scene.waits = False
    assert scene.after(10 * QUIET_S) == ""


def test_without_the_wish_or_a_training_nobody_is_given_way_to() -> None:
    for scene in (Scene(wanted=False), Scene(run=False)):
        scene.waits = True
        assert scene.after(1) is None


def test_a_wish_that_is_taken_back_lets_it_go_on() -> None:
    scene = Scene(wanted=False, stopped_by=REASON)
    scene.generates = True
    assert scene.after(1) is None
