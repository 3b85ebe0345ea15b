"""The lock by which the service sees a WebUI live."""

import subprocess
import sys
from pathlib import Path

from tests.jobs.patience import eventually
from tests.webui.conftest import ROOT
from train_tools.jobs.lease import held

WEBUI = "import sys, time; from pathlib import Path; from webui_shim.presence import show_presence; " + (
    "[show_presence(Path(sys.argv[1])) for _ in range(2)]; time.sleep(600)"
)


def _webui(lock: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", WEBUI, str(lock)], cwd=ROOT)


def test_it_is_seen_until_the_last_webui_is_killed(tmp_path: Path) -> None:
    lock = tmp_path / "of two.lock"
    first = _webui(lock)
    eventually(lambda: held(lock))
    second = _webui(lock)
    first.kill()
    first.wait()
    eventually(lambda: held(lock))
    second.kill()
    second.wait()
    eventually(lambda: not held(lock))
