"""A reporter that asks for the end of its own run."""

from lora_engine.output.reporting import Reporter


class StopsAt(Reporter):
    """Is asked to stop while it does a certain step."""

    def __init__(self, step):
        super().__init__(None)
        self._last = step

    def step_done(self, step, *facts):
        super().step_done(step, *facts)
        if step == self._last:
            self.request_stop()
