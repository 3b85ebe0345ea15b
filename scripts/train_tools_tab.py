"""Found and run by the WebUI at its start and at each "Reload UI". Loads the shim beside this folder, under a name
of its own and without touching `sys.path`: our folder holds files (launch.py, tests) named as the WebUI's are."""

import importlib.util
import sys
import traceback
from pathlib import Path

NAME = "train_tools_webui_shim"


def load() -> None:
    """Fresh at each call, so that "Reload UI" takes up an updated extension."""
    for name in [name for name in sys.modules if name == NAME or name.startswith(f"{NAME}.")]:
        del sys.modules[name]
    folder = Path(__file__).parent.parent / "webui_shim"
    spec = importlib.util.spec_from_file_location(
        NAME, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    module = importlib.util.module_from_spec(spec)
    sys.modules[NAME] = module
    spec.loader.exec_module(module)
    module.hook_in()


try:
    load()
except Exception:  # a broken extension is not to break the WebUI
    print("Train Tools has no tab this time, and the WebUI goes on without it:", file=sys.stderr)
    traceback.print_exc()
