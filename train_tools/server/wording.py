"""Answers of the gate for people: a small page without scripts. And the prefix that every address of ours has."""

from __future__ import annotations

PREFIX = "/train-tools"


def words_page(title: str, body: str) -> str:
    """A page without scripts; `body` is markup."""
    return (
        '<!doctype html><html lang="en"><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{title}</title><style>:root{{color-scheme:light dark}}"
        "body{font:1rem/1.6 system-ui,sans-serif;max-width:36rem;margin:14vh auto;padding:0 1.5rem}"
        "input,button{font:inherit;padding:.4rem .7rem}code{font-family:ui-monospace,monospace}</style>"
        f"<h1>{title}</h1><p>{body}</p></html>"
    )
