"""The password of the page: kept as a hash that is slow to guess, checked in constant time. And what a browser
gets for it: a signed note of when its session ends. Knows no request.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
import time
from dataclasses import dataclass, field

from train_tools.errors import OptionValueError

SHORTEST, LONGEST = 8, 1000
SESSION_S = 30 * 24 * 3600
_SALT_BYTES = 16
_COST, _BLOCK, _LANES = 2**15, 8, 3
"""32 MiB and about 0.2 s a guess: one of the equally strong choices in OWASP's password storage cheat sheet."""
_MEMORY = 2 * 128 * _COST * _BLOCK


def hashed(password: str) -> str:
    """`scrypt$N$r$p$salt$hash`. Raises OptionValueError, which does not repeat the password."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise OptionValueError(
            f"The password has {len(password)} characters; from {SHORTEST} to {LONGEST} are allowed. Several "
            "words are easy to remember and hard to guess."
        )
    salt = secrets.token_bytes(_SALT_BYTES)
    key = _derived(password, salt, _COST, _BLOCK, _LANES)
    return "$".join(["scrypt", str(_COST), str(_BLOCK), str(_LANES), _text(salt), _text(key)])


def fits(password: str, kept: str) -> bool:
    """Whether a password is the one that was hashed; takes as long for a wrong one."""
    if len(password) > LONGEST:
        return False
    _, cost, block, lanes, salt, key = kept.split("$")
    derived = _derived(password, base64.b64decode(salt), int(cost), int(block), int(lanes))
    return hmac.compare_digest(derived, base64.b64decode(key))


@dataclass(frozen=True, kw_only=True)
class Sessions:
    """Hands out notes and recognises them again, also after a restart: they are signed and not kept. Another
    password or another token makes all of them void."""

    token: str
    kept: str

    def opened(self, now: float | None = None) -> str:
        """A note for one browser."""
        ends = int((time.time() if now is None else now) + SESSION_S)
        content = f"{ends}.{secrets.token_urlsafe(9)}"
        return f"{content}.{self._signature(content)}"

    def holds(self, note: str, now: float | None = None) -> bool:
        """Whether a note is ours and its time has not come."""
        content, _, signature = note.rpartition(".")
        if not content or not hmac.compare_digest(signature.encode(), self._signature(content).encode()):
            return False
        return int(content.partition(".")[0]) > (time.time() if now is None else now)

    def _signature(self, content: str) -> str:
        key = f"{self.token} {self.kept}".encode()
        return hmac.new(key, content.encode(), hashlib.sha256).hexdigest()


@dataclass(kw_only=True)
class Attempts:
    """Who guesses wrong waits: five guesses are free, then each costs a minute, of one address as of all together
    (four times as many), so that many addresses help nobody."""

    free: int = 5
    refill_s: float = 60.0
    _wrong: dict[str, list[float]] = field(default_factory=dict)

    def wait_s(self, address: str, now: float) -> int:
        """Seconds until this address may guess again; 0 = now."""
        return max(self._wait(address, self.free, now), self._wait("", 4 * self.free, now))

    def failed(self, address: str, now: float) -> None:
        for name in (address, ""):
            self._wrong.setdefault(name, []).append(now)

    def forgiven(self, address: str) -> None:
        """The last guess was right."""
        for name in (address, ""):
            if self._wrong.get(name):
                self._wrong[name].pop()

    def _wait(self, name: str, free: int, now: float) -> int:
        window = free * self.refill_s
        wrong = [at for at in self._wrong.get(name, []) if at > now - window]
        if wrong:
            self._wrong[name] = wrong
        else:
            self._wrong.pop(name, None)
        return 0 if len(wrong) < free else int(wrong[-free] + window - now) + 1


def _derived(password: str, salt: bytes, cost: int, block: int, lanes: int) -> bytes:
    return hashlib.scrypt(password.encode(), salt=salt, n=cost, r=block, p=lanes, maxmem=_MEMORY)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode("ascii")
