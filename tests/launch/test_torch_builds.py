"""Which build of PyTorch a machine gets, and how the machine is asked."""

import pytest

HOPPER, PASCAL, BLACKWELL = (9, 0), (6, 1), (12, 0)


@pytest.mark.parametrize(
    ("facts", "label", "index", "plain_will_do"),
    [
        ({"system": "linux"}, "cpu", "cpu", True),
        ({"system": "win32"}, "", "", True),
        ({"system": "darwin", "processor": "arm64"}, "", "", True),
        ({"system": "linux", "has_rocm": True}, "rocm7.2", "rocm7.2", False),
        ({"nvidia_driver": (580, 65), "compute_capabilities": (HOPPER,)}, "cu130", "cu130", True),
        ({"nvidia_driver": (580, 65), "compute_capabilities": (PASCAL,)}, "cu126", "cu126", False),
        ({"nvidia_driver": (535, 183), "compute_capabilities": (HOPPER,)}, "cu126", "cu126", False),
        ({"nvidia_driver": (572, 16), "compute_capabilities": (BLACKWELL,)}, "cu129", "cu129", False),
        ({"nvidia_driver": (591, 0), "compute_capabilities": (PASCAL, BLACKWELL)}, "cu130", "cu130", True),
    ],
)
def test_the_build_fits_the_machine(launch, facts, label, index, plain_will_do):
    build = launch.choose_torch_build(launch.Machine(**{"system": "linux", **facts}))
    assert build.label == label
    assert build.index.rpartition("/")[2] == index
    assert build.plain_will_do is plain_will_do


def test_on_windows_only_the_cuda_index_has_a_build_for_the_gpu(launch):
    machine = launch.Machine(system="win32", nvidia_driver=(580, 88), compute_capabilities=(HOPPER,))
    assert not launch.choose_torch_build(machine).plain_will_do


def test_the_users_index_wins_over_what_was_found(launch):
    machine = launch.Machine(system="linux", nvidia_driver=(580, 65), compute_capabilities=(HOPPER,))
    build = launch.choose_torch_build(machine, "https://mirror.example/whl/rocm7.1/")
    assert (build.label, build.index) == ("rocm7.1", "https://mirror.example/whl/rocm7.1/")


def test_a_driver_too_old_is_named_with_what_to_do(launch):
    machine = launch.Machine(system="linux", nvidia_driver=(470, 5), compute_capabilities=(PASCAL,))
    with pytest.raises(launch.LaunchError, match=r"driver 470\.05.*525 or newer.*TORCH_INDEX_URL"):
        launch.choose_torch_build(machine)


def test_an_intel_mac_is_told_that_there_is_no_build(launch):
    with pytest.raises(launch.LaunchError, match="Intel"):
        launch.choose_torch_build(launch.Machine(system="darwin", processor="x86_64"))


@pytest.mark.parametrize(
    ("program", "printed", "found"),
    [
        ("nvidia-smi", "580.65.06, 9.0\n580.65.06, 6.1", {"nvidia_driver": (580, 65)}),
        ("nvidia-smi", "Failed to initialize NVML", {"nvidia_driver": None}),
        ("rocminfo", "  Name:                    gfx1100", {"has_rocm": True}),
        ("rocminfo", "  Name:                    AMD Ryzen 9", {"has_rocm": False}),
    ],
)
def test_the_machine_is_asked_through_its_drivers_tools(launch, tmp_path, monkeypatch, program, printed, found):
    tool = tmp_path / program
    tool.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{printed}\nEND\n")
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    machine = launch.this_machine()
    assert {name: getattr(machine, name) for name in found} == found


def test_the_builds_in_the_pins_can_be_read(launch):
    assert launch.shipped_pins().version("torch") == "2.13.0"
    assert launch.shipped_pins().version("torc") is None
