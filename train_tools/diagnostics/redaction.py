"""Taking secrets and names of people out of text that somebody else is to read. What is known to be a secret is
replaced wherever it stands; what looks like one, by its form or by the name before it, as well. Rather too much
than too little."""

from __future__ import annotations

import getpass
import json
import os
import platform
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote

from train_tools.options.marks import danger_of
from train_tools.options.option import Danger
from train_tools.options.secrets import is_secret

SECRET, USER, HOST = "<secret>", "<user>", "<host>"
SHORTEST = 6
"""A shorter value is taken out only where its name stands before it: everywhere, it would eat the text."""
NOBODY = frozenset(
    {"root", "user", "users", "home", "admin", "ubuntu", "runner", "app", "localhost", "train-tools"}
)
"""Names that tell nothing about anybody."""

_ALSO_SECRET = re.compile(
    r"(^|_)(authorization|cookies?|webhooks?(_(url|address))?|private_key|signature|sig|session(_id)?|pass|pat)$"
)
_START = r"(?:(?<![A-Za-z0-9_.\\-])|(?<=\\[nrt]))"
"""Where a name may begin: once in each word, so that a long one takes no long time; also after an end of line as
JSON writes it."""
_NAME = r"[A-Za-z][A-Za-z0-9_.-]*"
_QUOTED = r"\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*'"
_LIST = r"\[[^\]\n]*\]"
_BARE = r"[^\s,;&\"'\]})\[{(][^\s,;&\"'\]})]*"
_WAYS = tuple(
    (re.compile(head, re.MULTILINE), re.compile(value, re.MULTILINE))
    for head, value in (
        (rf"^[ \t]*(?P<name>{_NAME})[ \t]*[=:][ \t]*", r"[^\s\"'\[{][^\"'\n]*$"),
        (rf"{_START}(?P<name>(?:--?)?{_NAME})[\"']?\s*(?:=>|[=:])\s*", rf"{_QUOTED}|{_LIST}|{_BARE}"),
        (rf"{_START}(?P<name>{_NAME})\\\"\s*:\s*", r"\\\"(?:[^\"\\]|\\\\.)*\\\""),
        (rf"{_START}(?P<name>--?{_NAME})[\"']?,?\s+", rf"{_QUOTED}|(?!-){_BARE}"),
    )
)
"""Ways in which a value stands after its name: a whole line, an assignment, JSON in JSON, a command's option."""
_HEADER = re.compile(r"\b(?P<name>(?:proxy-)?authorization|(?:set-)?cookie)(?P<between>\s*[:=]\s*)[^\"'\n]+", re.I)
_AUTHORISED = re.compile(r"\b(?P<scheme>Bearer|Basic)\s+[A-Za-z0-9._~+/=-]{6,}")
_FORMS = re.compile(
    r"\bhf_[A-Za-z0-9]{8,}"
    r"|\b(?:sk|pk|rk)-[A-Za-z0-9_-]{16,}"
    r"|\bgh[pousr]_[A-Za-z0-9]{16,}|\bgithub_pat_[A-Za-z0-9_]{20,}|\bglpat-[A-Za-z0-9_-]{16,}"
    r"|\bxox[a-z]-[A-Za-z0-9-]{8,}"
    r"|\bAKIA[0-9A-Z]{12,}"
    r"|\bAIza[0-9A-Za-z_-]{20,}"
    r"|\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)",
    re.DOTALL,
)
_URL = re.compile(r"\b(?P<scheme>https?|wss?|ftp|socks5h?)://(?P<rest>[^\s\"'<>\\]+)", re.IGNORECASE)
_HOMES = re.compile(
    r"(?:\b[A-Za-z]:)?[/\\]{1,4}(?:home|Users|Documents and Settings)[/\\]{1,4}"
    r"(?:[^/\\\"':;,<>|\n]{1,40}(?=[/\\])|[^/\\\s\"':;,<>|]+)",
    re.IGNORECASE,
)
"""With a blank in the user's name where a slash comes after it."""
_RANDOM = re.compile(r"(?=.*\d)(?:(?=.*[a-z])(?=.*[A-Z])[\w.~:%+=-]{16,}|(?=.*[a-z])[a-z\d]{20,})")
_HEX = re.compile(r"[0-9a-f]{7,64}")


class Redaction:
    """Takes out of any text the values in `secrets`, what looks like one, the home folder, the names of the user
    and of the machine."""

    def __init__(
        self, secrets: Iterable[str], *, home: Path | None = None, user: str = "", host: str = ""
    ) -> None:
        known = {
            form
            for secret in secrets
            for part in (secret, *_parts_of(secret))
            if len(part) >= SHORTEST
            for form in _forms_of(part)
        }
        self._known = _any_of(known)
        self._home = _any_of(_spellings(str(home))) if home and len(home.parts) > 1 else None
        names = ((user, USER), (host, HOST), (host.partition(".")[0], HOST))
        self._names = [(_whole_word(name), instead) for name, instead in names if _tells_who(name)]

    def __call__(self, text: str) -> str:
        if self._known:
            text = self._known.sub(SECRET, text)
        text = _FORMS.sub(SECRET, text)
        text = _URL.sub(_harmless_address, text)
        text = _HEADER.sub(lambda found: f"{found['name']}{found['between']}{SECRET}", text)
        text = _AUTHORISED.sub(lambda found: f"{found['scheme']} {SECRET}", text)
        for head, value in _WAYS:
            text = _without_values(text, head, value)
        if self._home:
            text = self._home.sub("~", text)
        text = _HOMES.sub("~", text)
        for name, instead in self._names:
            text = name.sub(instead, text)
        return text


def redaction_here(secrets: Iterable[str], environment: Mapping[str, str] = os.environ) -> Redaction:
    """For this user on this machine; the secrets in the environment count too, by the names of the variables."""
    return Redaction(
        [*secrets, *secrets_in(environment)],
        home=Path.home(),
        user=_user(),
        host=platform.node().partition(".")[0],
    )


def sounds_secret(name: str) -> bool:
    """Whether a value of this name is nobody's business: `HF_TOKEN`, `accessToken`, `--wandb-api-key`."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name.lstrip("-")).replace("-", "_").replace(".", "_").lower()
    return is_secret(words) or danger_of(words) is Danger.SECRET or _ALSO_SECRET.search(words) is not None


def without_secrets_in(value: Any) -> Any:
    """A value as JSON holds it, without what stands under a name that sounds secret."""
    if isinstance(value, Mapping):
        return {
            name: SECRET if inner and sounds_secret(str(name)) else without_secrets_in(inner)
            for name, inner in value.items()
        }
    return [without_secrets_in(inner) for inner in value] if isinstance(value, list | tuple) else value


def secrets_in(environment: Mapping[str, str]) -> Iterator[str]:
    """Values of variables whose names say that they are secret, and passwords in addresses of proxies."""
    for name, value in environment.items():
        if sounds_secret(name):
            yield value
        for found in re.finditer(r"://[^/\s:@]*:([^/\s@]+)@", value):
            yield found[1]


def _parts_of(secret: str) -> Iterator[str]:
    """What is secret in an address by itself: not the words in it."""
    if "://" in secret:
        _, _, path = secret.partition("://")[2].partition("/")
        yield from (part for part in re.split(r"[/?&=#]", path) if re.search(r"\d", part) or len(part) >= 16)


def _forms_of(secret: str) -> Iterator[str]:
    """As it may stand in a text: as it is, in JSON, in JSON within JSON, in an address."""
    yield from (secret, quote(secret), quote(secret, safe=""), repr(secret)[1:-1])
    for ascii_only in (True, False):
        once = json.dumps(secret, ensure_ascii=ascii_only)
        yield once[1:-1]
        yield json.dumps(once, ensure_ascii=ascii_only)[3:-3]


def _spellings(place: str) -> Iterator[str]:
    """A folder as systems, JSON and addresses write it."""
    slashed = place.replace("\\", "/")
    yield from (place, slashed, place.replace("\\", "\\\\"), quote(slashed), json.dumps(place)[1:-1])


def _any_of(texts: Iterable[str]) -> re.Pattern[str] | None:
    """Longest first: one may be the beginning of another."""
    ordered = sorted(set(texts), key=len, reverse=True)
    return re.compile("|".join(map(re.escape, ordered))) if ordered else None


def _tells_who(name: str) -> bool:
    return len(name) >= 3 and name.lower() not in NOBODY


def _whole_word(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w-]){re.escape(name)}(?![\w-])", re.IGNORECASE)


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):  # a user without a name, in some containers
        return ""


def _without_values(text: str, head: re.Pattern[str], value: re.Pattern[str]) -> str:
    """Without the values whose names sound secret, also where both stand within the value of another name."""
    pieces = []
    done = 0
    for found in head.finditer(text):
        if found.start() < done or not sounds_secret(found["name"]):
            continue
        said = value.match(text, found.end())
        if said and said[0] not in ("null", "None"):
            pieces += [text[done : said.start()], _masked(said[0], in_json=found[0].rstrip(": \t").endswith('"'))]
            done = said.end()
    return "".join((*pieces, text[done:]))


def _masked(value: str, in_json: bool) -> str:
    """In the quotes that the value had; what was a number in JSON gets some, for it to stay JSON."""
    marks = next((mark for mark in ('\\"', '"', "'") if value.startswith(mark)), '"' if in_json else "")
    return f"{marks}{SECRET}{marks}"


def _harmless_address(found: re.Match[str]) -> str:
    """Without user, password and query; of a webhook, no more than the host; elsewhere, without what looks drawn
    by lot."""
    rest, query, _ = found["rest"].partition("?")
    host, slash, path = rest.partition("/")
    _, at, host = host.rpartition("@")
    host = f"{SECRET}@{host}" if at else host
    if "hook" in rest.lower():
        return f"{found['scheme']}://{host}/{SECRET}"
    parts = (SECRET if _RANDOM.fullmatch(part) and not _is_known(part) else part for part in path.split("/"))
    return f"{found['scheme']}://{host}{slash}{'/'.join(parts)}{f'?{SECRET}' if query else ''}"


def _is_known(part: str) -> bool:
    """A commit, or a file's name."""
    return _HEX.fullmatch(part) is not None or re.search(r"\.[a-z]{2,12}$", part) is not None
