"""What a WebUI calls the samplers and schedulers that we name."""

from __future__ import annotations

import pytest

from train_tools.errors import OptionValueError
from train_tools.renderers.webui_http.families import Family, Webui, squeezed

SCHEDULERS = {"automatic": "Automatic", "karras": "Karras", "sgmuniform": "SGM Uniform"}


def webui(*names: str, schedulers: dict[str, str] | None = None) -> Webui:
    return Webui(
        family=Family.A1111,
        version="",
        samplers=tuple(frozenset({squeezed(name)}) for name in names),
        names={squeezed(name): name for name in names},
        schedulers=schedulers or {},
        options={},
        lora_folder=None,
        command_line=(),
    )


NEW = webui("DPM++ 2M", "DPM++ 2M SDE", "Euler a", "Restart", schedulers=SCHEDULERS)
OLD = webui("DPM++ 2M", "DPM++ 2M Karras", "Euler a")


@pytest.mark.parametrize(
    ("named", "scheduler", "called"),
    [
        ("euler_a", "", ("Euler a", "")),
        ("dpmpp_2m", "karras", ("DPM++ 2M", "Karras")),
        ("dpmpp_2m_karras", "", ("DPM++ 2M", "Karras")),
        ("DPM++ 2M SDE Karras", "", ("DPM++ 2M SDE", "Karras")),
        ("Restart", "sgm_uniform", ("Restart", "SGM Uniform")),
    ],
)
def test_a_scheduler_is_a_field_of_its_own(named, scheduler, called):
    assert NEW.sampler(named, scheduler) == called


def test_where_there_is_no_such_field_it_is_in_the_samplers_name():
    assert OLD.sampler("dpmpp_2m", "karras") == ("DPM++ 2M Karras", "")
    with pytest.raises(OptionValueError, match="no sampler 'Euler a karras'"):
        OLD.sampler("euler_a", "karras")


def test_a_name_and_its_alias_are_one_sampler():
    one = webui("Euler a")
    one = Webui(**{**vars(one), "samplers": (frozenset({"eulera", "keulera"}),)})
    assert one.same_sampler("Euler a", "k_euler_a")
    assert not one.same_sampler("Euler a", "Euler")
