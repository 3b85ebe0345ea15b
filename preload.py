"""Flags of the WebUI's command line that are ours."""

from __future__ import annotations

from argparse import ArgumentParser


def preload(parser: ArgumentParser) -> None:
    parser.add_argument(
        "--train-tools-port",
        type=int,
        default=0,
        help="Train Tools: port of its service on 127.0.0.1; 0 = any free",
    )
    parser.add_argument(
        "--train-tools-dir", default=None, help="Train Tools: outputs folder (default: that of the WebUI)"
    )
    parser.add_argument(
        "--train-tools-no-autostart",
        action="store_true",
        help="Train Tools: start its service when its tab is opened, not with the WebUI",
    )
