"""Where the token comes from: the environment, else a file only this user can read, made on the first start."""

from __future__ import annotations

import os
import secrets
import stat
from pathlib import Path

from train_tools.errors import OptionValueError
from train_tools.files import storage_error

TOKEN_VARIABLE = "TRAIN_TOOLS_TOKEN"
SHORTEST = 16


def find_token(folder: Path) -> str:
    """The token of this user. Kept between starts, so that bookmarks and open pages live on.

    Raises OptionValueError when TRAIN_TOOLS_TOKEN holds one that is too short or can't stand in an address.
    """
    given = os.environ.get(TOKEN_VARIABLE)
    if given is not None:
        return _checked(given)
    file = folder / "token"
    return _kept(file) or _made(file)


def _checked(token: str) -> str:
    if len(token) < SHORTEST or not token.isascii() or not token.replace("-", "").replace("_", "").isalnum():
        raise OptionValueError(
            f"The token in {TOKEN_VARIABLE} can't be used: it has {len(token)} characters. At least {SHORTEST} "
            "ASCII letters, digits, - and _ are allowed; leave the variable out to get a random one."
        )
    return token


def _kept(file: Path) -> str | None:
    """What the file holds, or None when there is none, it is damaged, or others could have read it."""
    try:
        if os.name == "posix" and stat.S_IMODE(file.stat().st_mode) & 0o077:
            return None
        return _checked(file.read_text(encoding="ascii").strip())
    except (OSError, ValueError):
        return None


def _made(file: Path) -> str:
    token = secrets.token_urlsafe(32)
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.unlink(missing_ok=True)
        descriptor = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except OSError as error:
        raise storage_error(file, error) from error
    with os.fdopen(descriptor, "w", encoding="ascii") as opened:
        opened.write(token + "\n")
    return token
