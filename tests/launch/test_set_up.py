"""Set-ups made by real processes: environments, pip and wheels, offline."""

import json
import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path


def test_the_app_gets_the_words_and_the_folder_the_user_stands_in(ready_project):
    report = ready_project.report("demo", "--name", "ночь")
    assert report["arguments"] == ["demo", "--name", "ночь"]
    assert report["cwd"] == str(ready_project.home)


def test_without_words_it_serves_and_opens_the_browser(ready_project):
    assert ready_project.report()["arguments"] == ["serve", "--open"]


def test_a_later_start_only_starts(ready_project):
    status, printed = ready_project.launch("demo")
    assert status == 0
    assert len(printed.splitlines()) == 1


def test_the_exit_status_is_the_apps(ready_project):
    assert ready_project.launch("fail")[0] == 7


def test_nothing_outside_the_environment_was_touched(ready_project):
    assert ready_project.files() == ready_project.files_before


def test_another_pythons_settings_do_not_leak_in(ready_project, tmp_path):
    (tmp_path / "library.py").write_text("raise SystemExit('leaked')")
    report = ready_project.report("demo", PYTHONPATH=str(tmp_path), PIP_TARGET=str(tmp_path))
    assert not {"PYTHONPATH", "PIP_TARGET"} & set(report["environment"])


def test_a_module_where_the_user_stands_does_not_leak_in(ready_project):
    (ready_project.home / "library.py").write_text("raise SystemExit('leaked')")
    report = ready_project.report("demo")
    (ready_project.home / "library.py").unlink()
    assert report["library"] == "1.0"


def test_there_is_nothing_to_roll_back_to_after_one_set_up(ready_project):
    status, printed = ready_project.launch("rollback")
    assert status == 1
    assert "no earlier set of libraries" in printed


def test_the_test_command_adds_its_extra_and_runs_pytest(project):
    status, printed = project.launch("test", "-k", "two words")
    assert status == 0
    assert printed.splitlines()[-1] == "pytest ran ['-k', 'two words']"
    assert json.loads((project.venv / "train-tools.json").read_text())["extras"] == ["test"]


def test_the_test_command_alone_runs_two_files_at_once(project):
    status, printed = project.launch("test")
    assert status == 0
    assert printed.splitlines()[-1] == "pytest ran ['-n', '2', '--dist', 'loadfile']"


def test_help_before_the_first_set_up_installs_nothing(project):
    status, printed = project.launch("--help")
    assert status == 0
    assert "launch.py demo" in printed
    assert not project.venv.exists()


def test_a_killed_set_up_goes_on_at_the_next_start(project):
    process = project.start("demo")
    next(line for line in process.stdout if "PyTorch" in line)
    os.killpg(process.pid, signal.SIGKILL)
    process.communicate()
    assert not (project.venv / "train-tools.json").exists()
    assert project.report("demo")["library"] == "1.0"


def test_a_package_that_pip_was_cut_off_in_is_installed_again(project):
    project.report("demo")
    (project.venv / "train-tools.json").unlink()
    (site,) = project.venv.glob("lib/python3*/site-packages")
    (site / "library.py").unlink()
    (site / "library-1.0.dist-info" / "RECORD").unlink()
    assert project.report("demo")["library"] == "1.0"


def test_two_first_starts_at_once_set_up_once(project):
    first, second = project.start("demo"), project.start("demo")
    printed = [process.communicate(timeout=300)[0] for process in (first, second)]
    assert (first.returncode, second.returncode) == (0, 0), printed
    assert "".join(printed).count("Setting up") == 1


def test_a_moved_folder_runs_from_its_new_place(project, tmp_path):
    project.report("demo")
    moved = type(project)(tmp_path / "elsewhere", Path(project.environment["PIP_FIND_LINKS"]))
    shutil.move(project.folder, moved.folder)
    shutil.move(project.home, moved.home)
    assert moved.report("demo")["here"] == str(moved.folder / "train_tools" / "__main__.py")


def test_an_environment_whose_python_is_gone_is_made_again(project):
    project.report("demo")
    (project.venv / "bin" / "python").unlink()
    (project.venv / "bin" / "python").symlink_to("/nowhere/python")
    assert project.report("demo")["library"] == "1.0"


def test_an_unknown_marker_means_setting_up_again(project):
    project.report("demo")
    (project.venv / "train-tools.json").write_text('{"format": 99}')
    status, printed = project.launch("demo")
    assert status == 0
    assert "Setting up" in printed


def test_new_pins_are_installed_and_rolled_back(project):
    project.report("demo")
    project.pin_library("2.0")
    assert project.report("demo")["library"] == "2.0"
    assert project.launch("rollback")[0] == 0
    assert project.launch("test")[0] == 0  # an extra added now must not bring the newer pins
    assert project.report("demo")["library"] == "1.0"
    assert project.launch("setup")[0] == 0
    assert project.report("demo")["library"] == "2.0"


def test_pins_that_break_the_app_are_named_and_rolled_back(project):
    project.report("demo")
    project.pin_library("3.0")
    status, printed = project.launch("demo")
    assert status == 1
    assert "library 3.0 is broken" in printed
    assert "launch.py rollback" in printed
    assert project.launch("rollback")[0] == 0
    assert project.report("demo")["library"] == "1.0"


def test_a_pin_that_pip_cannot_find_stops_and_says_where_pips_words_are(project):
    project.pin_library("9.9")
    status, printed = project.launch("demo")
    assert status == 1
    assert str(project.venv / "pip.log") in printed
    assert "9.9" in (project.venv / "pip.log").read_text()
    assert not (project.venv / "train-tools.json").exists()


def test_the_build_of_torch_is_chosen_again_by_setup_only(project, wheels):
    project.report("demo")
    project.environment.pop("PIP_NO_INDEX")
    project.environment["TORCH_INDEX_URL"] = (wheels / "cu126").as_uri()
    project.launch("test")
    assert json.loads((project.venv / "train-tools.json").read_text())["torch"] == "2.13.0+cpu"
    project.launch("setup")
    assert json.loads((project.venv / "train-tools.json").read_text())["torch"] == "2.13.0+cu126"


def test_a_python_without_venv_gets_virtualenv(project):
    command = [
        "import json, launch, sys",
        "python = launch.probe([sys._base_executable])",
        "venv = launch.Venv(launch.PROJECT / '.venv')",
        "venv.folder.mkdir()",
        "venv.make_with_virtualenv(launch.Interpreter(**{**vars(python), 'has_venv': False}))",
        "print(launch.probe([str(venv.python)]).has_pip)",
    ]
    done = subprocess.run(
        [sys.executable, "-c", "; ".join(command)],
        cwd=project.folder,
        env=project.environment,
        capture_output=True,
        text=True,
    )
    assert done.stdout.splitlines()[-1:] == ["True"], done.stderr
    assert not (project.venv / "bootstrap").exists()
