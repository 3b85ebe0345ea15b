"""Which names projects and versions may have: folder names on every system, in any language."""

from __future__ import annotations

import unicodedata

from train_tools.errors import NameNotAllowedError

LONGEST_NAME_BYTES = 100
_FORBIDDEN = '<>:"/\\|?*'
_RESERVED = {"con", "prn", "aux", "nul", *(f"{device}{n}" for device in ("com", "lpt") for n in range(10))}


def checked_name(name: str, what: str = "name") -> str:
    """`name` in Unicode NFC, or NameNotAllowedError saying which rule it breaks.

    Letters of any language, digits, spaces and most signs are allowed, up to 100 bytes of UTF-8.
    """
    name = unicodedata.normalize("NFC", name)
    problem = _problem_with(name)
    if problem:
        raise NameNotAllowedError(
            f"{name!r} can't be a {what}: {problem}. Allowed are letters of any language, digits, spaces and "
            f'signs other than {_FORBIDDEN}; for example "my-character v1".'
        )
    return name


def _problem_with(name: str) -> str | None:
    if not name.strip():
        return "it is empty"
    if name != name.strip() or name.endswith("."):
        return "it begins or ends with a space or ends with a dot"
    if name.startswith("."):
        return "it begins with a dot"
    if bad := sorted({letter for letter in name if letter in _FORBIDDEN}):
        return f"it contains {' '.join(bad)}"
    if any(unicodedata.category(letter) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") for letter in _visible(name)):
        return "it contains an invisible control character"
    if name.split(".")[0].lower() in _RESERVED:
        return "the name is reserved by Windows"
    if len(name.encode("utf-8")) > LONGEST_NAME_BYTES:
        return f"it is longer than {LONGEST_NAME_BYTES} bytes"
    return None


def _visible(name: str) -> str:
    """The name without the joiners that emoji and some scripts need inside a word."""
    return name.replace("\u200d", "").replace("\u200c", "")
