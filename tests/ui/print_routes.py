"""Prints as JSON what Gradio adds to the service: method and address of each route, a word for each parameter."""

import json
import re
import sys

from starlette.routing import BaseRoute, Mount

from train_tools.app import open_app
from train_tools.server.application import create_server
from train_tools.ui.page import PREFIX, mount_page


def addresses(route: BaseRoute) -> list[tuple[str, str]]:
    if hasattr(route, "effective_route_contexts"):
        return [each for inner in route.effective_route_contexts() for each in addresses(inner)]
    address = PREFIX + re.sub(r"\{(\w+)(:path)?\}", r"\1", route.path)
    return [(method, address) for method in sorted(getattr(route, "methods", None) or {"GET"})]


if __name__ == "__main__":
    server = create_server(open_app(), mount_page)
    gradio = next(route for route in server.routes if isinstance(route, Mount) and route.path == PREFIX)
    json.dump([each for route in gradio.routes for each in addresses(route)], sys.stdout)
