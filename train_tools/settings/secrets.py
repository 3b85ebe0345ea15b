"""Secrets of this user on this machine: from the environment, else from a file that only this user can read. Never
in settings.toml, which people copy, back up and show."""

from __future__ import annotations

import os
import stat
import tomllib
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import tomli_w

from train_tools.errors import OptionValueError, StorageError
from train_tools.files import storage_error
from train_tools.model.settings import WebhookState

WEBHOOK_VARIABLE = "TRAIN_TOOLS_WEBHOOK"
CAPTION_KEY_VARIABLE = "TRAIN_TOOLS_CAPTION_KEY"
WEBUI_PASSWORD_VARIABLE = "TRAIN_TOOLS_WEBUI_PASSWORD"
PASSWORD_VARIABLE = "TRAIN_TOOLS_PASSWORD"
LONGEST_KEY = 1000
SCHEMES = ("http", "https")
LONGEST_ADDRESS = 2000


@dataclass(frozen=True, repr=False)
class WebhookAddress:
    """An address that messages are posted to. Whoever knows it can write there: it never shows itself whole."""

    url: str

    @property
    def shown(self) -> str:
        """Its beginning up to the host."""
        parts = urlsplit(self.url)
        return f"{parts.scheme}://{parts.netloc}/..."

    @property
    def host(self) -> str:
        return urlsplit(self.url).hostname or ""

    def __repr__(self) -> str:
        return f"WebhookAddress({self.shown})"


def checked_address(text: str) -> WebhookAddress:
    """The address in a text. Raises OptionValueError, which does not repeat it."""
    url = text.strip()
    problem = _problem_with(url)
    if problem:
        raise OptionValueError(
            f"The webhook's address can't be used: {problem}. A good one is like https://example.org/hooks/abc; "
            "what was given isn't repeated here, because it may hold a secret."
        )
    return WebhookAddress(url)


def checked_endpoint(text: str) -> str:
    """The address of a program that describes pictures, without a slash at its end. It is no secret. Raises
    OptionValueError."""
    url = text.strip().rstrip("/")
    problem = _problem_with(url) or ("it holds a query" if {"?", "#"} & set(url) else "")
    if problem:
        raise OptionValueError(
            f"The endpoint's address can't be used: {problem if url else 'none is set'}. A good one is like "
            "http://127.0.0.1:1234/v1: `train-tools settings captions.endpoint=ADDRESS`."
        )
    return url


def checked_webui(text: str) -> str:
    """The address of a WebUI, without a slash at its end. It is no secret. Raises OptionValueError."""
    url = text.strip().rstrip("/")
    problem = _problem_with(url) or ("it holds a query" if {"?", "#"} & set(url) else "")
    if problem:
        raise OptionValueError(
            f"The WebUI's address can't be used: {problem if url else 'none is set'}. A good one is like "
            "http://127.0.0.1:7860: `train-tools settings webui.url=ADDRESS`."
        )
    return url


def checked_password(text: str) -> str:
    """A password that a header can hold. Raises OptionValueError, which does not repeat it."""
    if len(text) > LONGEST_KEY or not text.isprintable():
        raise OptionValueError("The password can't be used: it is too long, or holds what can't be typed.")
    return text


def checked_key(text: str) -> str:
    """The key in a text. Raises OptionValueError, which does not repeat it."""
    key = text.strip()
    if not key.isascii() or not key.isprintable() or " " in key or len(key) > LONGEST_KEY:
        raise OptionValueError("The key can't be used: it holds blanks, or what can't stand in a header.")
    return key


class Secrets:
    """The secrets in a folder of this user's state."""

    def __init__(self, folder: Path, environment: Mapping[str, str] = os.environ) -> None:
        self.file = folder / "secrets.toml"
        self._environment = environment

    @property
    def webhook(self) -> WebhookAddress | None:
        """Raises OptionValueError when the environment's can't be used, StorageError when the file can't."""
        url = self._environment.get(WEBHOOK_VARIABLE) or self._kept().get("webhook", "")
        return checked_address(str(url)) if url else None

    @property
    def webhook_state(self) -> WebhookState:
        address = self.webhook
        return WebhookState(
            shown=address.shown if address else "",
            from_environment=bool(self._environment.get(WEBHOOK_VARIABLE)),
        )

    def set_webhook(self, address: WebhookAddress | None) -> None:
        """Keeps an address, or forgets it."""
        self._keep({"webhook": address.url if address else ""})

    def caption_key(self, endpoint: str) -> str:
        """The key for a program that describes pictures; empty when there is none. Raises OptionValueError when it
        was given for another host: settings.toml, which names the program, may come from somebody else."""
        from_environment = self._environment.get(CAPTION_KEY_VARIABLE, "").strip()
        if from_environment:
            return checked_key(from_environment)
        kept = self._kept()
        key, host = str(kept.get("caption_key", "")), urlsplit(endpoint).netloc
        if key and kept.get("caption_host") != host:
            raise OptionValueError(
                f"The key was given for {kept.get('caption_host')!r}, and is not sent to {host!r}. If the new "
                "address is right, set the key again: `train-tools settings caption_key=-`."
            )
        return key

    def set_caption_key(self, key: str, endpoint: str) -> None:
        """Keeps a key for the host of an endpoint; an empty one forgets it."""
        host = urlsplit(checked_endpoint(endpoint)).netloc if key else ""
        self._keep({"caption_key": checked_key(key), "caption_host": host})

    @property
    def caption_key_host(self) -> str:
        """The host that a key is kept for; empty when none is."""
        return str(self._kept().get("caption_host", ""))

    @property
    def has_caption_key_from_environment(self) -> bool:
        return bool(self._environment.get(CAPTION_KEY_VARIABLE, "").strip())

    def webui_password(self, url: str) -> str:
        """The password for a WebUI; empty when there is none. Raises OptionValueError when it was given for
        another host: settings.toml, which names the WebUI, may come from somebody else."""
        from_environment = self._environment.get(WEBUI_PASSWORD_VARIABLE, "")
        if from_environment:
            return checked_password(from_environment)
        kept = self._kept()
        password, host = str(kept.get("webui_password", "")), urlsplit(url).netloc
        if password and kept.get("webui_host") != host:
            raise OptionValueError(
                f"The WebUI's password was given for {kept.get('webui_host')!r}, and is not sent to {host!r}. If "
                "the new address is right, set it again: `train-tools settings webui_password=-`."
            )
        return password

    def set_webui_password(self, password: str, url: str) -> None:
        """Keeps a password for the host of a WebUI; an empty one forgets it."""
        host = urlsplit(checked_webui(url)).netloc if password else ""
        self._keep({"webui_password": checked_password(password), "webui_host": host})

    @property
    def webui_password_host(self) -> str:
        """The host that a password is kept for; empty when none is."""
        return str(self._kept().get("webui_host", ""))

    @property
    def has_webui_password_from_environment(self) -> bool:
        return bool(self._environment.get(WEBUI_PASSWORD_VARIABLE))

    @property
    def page_password(self) -> str:
        """The hash of the password that opens our own page; empty when there is none."""
        return str(self._kept().get("page_password", ""))

    def set_page_password(self, hashed: str) -> None:
        """Keeps a hash; an empty one forgets it."""
        self._keep({"page_password": hashed})

    @property
    def page_password_from_environment(self) -> str:
        """As it was typed there; empty when it was not."""
        return self._environment.get(PASSWORD_VARIABLE, "")

    def _keep(self, changes: Mapping[str, str]) -> None:
        """Writes some secrets; empty ones are forgotten."""
        secrets = {**self._writable(), **changes, "format": 1}
        _write_privately(self.file, tomli_w.dumps({name: value for name, value in secrets.items() if value}))

    def _kept(self) -> dict[str, Any]:
        """What the file holds; {} when there is none."""
        try:
            if os.name == "posix" and stat.S_IMODE(self.file.stat().st_mode) & 0o077:
                raise StorageError(
                    f"{self.file} can be read by others on this machine, so it is not used. What it holds is no "
                    "secret any more: set it anew, with `train-tools settings webhook_address=-`, caption_key=- "
                    "or webui_password=-."
                )
            return tomllib.loads(self.file.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise StorageError(f"Could not read {self.file}: {error.strerror or error}.") from error
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise StorageError(
                f"{self.file} is damaged. Set the webhook's address anew, with "
                "`train-tools settings webhook_address=-`."
            ) from error

    def _writable(self) -> dict[str, Any]:
        """What is kept when something is written; nothing of a file that can't be trusted."""
        try:
            return self._kept()
        except StorageError:
            return {}


def _problem_with(url: str) -> str:
    """What is wrong with an address, in words that don't contain it."""
    if len(url) > LONGEST_ADDRESS:
        return f"it has more than {LONGEST_ADDRESS} characters"
    if not url.isascii() or not url.isprintable() or " " in url:
        return "it holds blanks or characters that can't stand in an address"
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError:
        return "its host or port can't be read"
    if parts.scheme not in SCHEMES:
        return "it has to begin with http:// or https://"
    if not host or port == 0:
        return "it names no host"
    if parts.username is not None or parts.password is not None:
        return "it holds a user name, which is not sent; a token belongs into its path or query"
    return ""


def _write_privately(file: Path, text: str) -> None:
    """Replaces the file whole; nobody else can read it at any moment."""
    temporary = file.with_name(f".{uuid.uuid4().hex}.tmp")
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        with os.fdopen(
            os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8"
        ) as new:
            new.write(text)
            new.flush()
            os.fsync(new.fileno())
        temporary.replace(file)
    except OSError as error:
        raise storage_error(file, error) from error
    finally:
        temporary.unlink(missing_ok=True)
