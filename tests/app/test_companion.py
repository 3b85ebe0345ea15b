from train_tools.app.companion import ENDED, GOES_ON, PATIENCE_S, Companion


class Scene:
    """A WebUI, jobs and a clock, to be set by hand."""

    def __init__(self) -> None:
        self.accompanied, self.busy, self.now = True, False, 0.0
        self.said: list[str] = []
        self.companion = Companion(
            lambda: self.accompanied, lambda: self.busy, say=self.said.append, clock=lambda: self.now
        )

    def goes_after(self, seconds: float) -> bool:
        self.now += seconds
        return self.companion.is_to_go()


def test_it_stays_while_the_webui_lives() -> None:
    scene = Scene()
    assert not scene.goes_after(10_000)


def test_it_goes_some_time_after_the_webui() -> None:
    scene = Scene()
    scene.accompanied = False
    assert not scene.goes_after(1)
    assert not scene.goes_after(PATIENCE_S - 1)
    assert scene.goes_after(1)
    assert scene.said == [ENDED]


def test_a_webui_that_comes_back_finds_it() -> None:
    scene = Scene()
    scene.accompanied = False
    assert not scene.goes_after(1)
    scene.accompanied = True
    assert not scene.goes_after(PATIENCE_S)
    scene.accompanied = False
    assert not scene.goes_after(1)


def test_it_stays_as_long_as_there_is_work_and_says_so_once() -> None:
    scene = Scene()
    scene.accompanied, scene.busy = False, True
    assert not scene.goes_after(1)
    assert not scene.goes_after(10_000)
    scene.busy = False
    assert not scene.goes_after(1)
    assert scene.goes_after(PATIENCE_S)
    assert scene.said == [GOES_ON, ENDED]
