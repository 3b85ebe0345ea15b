"""Puts the service together: the API, a page if one is given, and the gate around both."""

from __future__ import annotations

from collections.abc import Callable

from fastapi import APIRouter, FastAPI

from train_tools import __version__
from train_tools.app import App
from train_tools.server.answers import tell_errors
from train_tools.server.api import (
    base_models,
    buckets,
    captioners,
    captions,
    checkpoints,
    checks,
    configs,
    curves,
    datasets,
    desktop,
    downloads,
    drafts,
    engines,
    failures,
    folders,
    health,
    jobs,
    lora_tools,
    machine,
    matrices,
    pairs,
    pictures,
    plans,
    preparations,
    presets,
    projects,
    queue,
    regularisation,
    runs,
    scores,
    settings,
    uploads,
    versions,
)
from train_tools.server.security import API, Access, Gate
from train_tools.server.thumbnails import Thumbnails

RESOURCES = (
    projects,
    versions,
    datasets,
    uploads,
    captions,
    checks,
    buckets,
    regularisation,
    plans,
    preparations,
    queue,
    jobs,
    curves,
    failures,
    runs,
    matrices,
    scores,
    checkpoints,
    pictures,
    pairs,
    lora_tools,
    settings,
    machine,
    desktop,
    presets,
    configs,
    base_models,
    captioners,
    downloads,
    drafts,
    engines,
    folders,
    health,
)

MountPage = Callable[[FastAPI], None]
"""Adds pages to the server; what is behind the gate is all they need to know."""


def no_page(server: FastAPI) -> None:
    """The API alone."""


def create_server(app: App, mount: MountPage = no_page) -> FastAPI:
    """Every route, without the gate; nothing but tests serves it that way."""
    server = FastAPI(
        title="Train Tools", version=__version__, openapi_url=f"{API}/openapi.json", docs_url=None, redoc_url=None
    )
    server.state.app = app
    server.state.thumbnails = Thumbnails(app.outputs.cache / "thumbnails")
    tell_errors(server)
    api = APIRouter(prefix=API)
    for resource in RESOURCES:
        api.include_router(resource.router)
    server.include_router(api)
    mount(server)
    return server


def guarded(app: App, access: Access, mount: MountPage = no_page) -> Gate:
    """The service as it meets the world."""
    return Gate(create_server(app, mount), access)
