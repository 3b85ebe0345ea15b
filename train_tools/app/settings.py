"""What the user decided for this outputs folder, and the secret that goes with it."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from train_tools.errors import NotFoundError
from train_tools.follow_ups.news import News
from train_tools.follow_ups.webhook import NotDeliveredError, deliver, payload_of
from train_tools.machine.awake import can_keep_awake
from train_tools.machine.notification import notification
from train_tools.machine.program import run
from train_tools.model.host import HostFiles
from train_tools.model.paths import OutputsPaths
from train_tools.model.settings import CopySettings, Setting, SettingKind, UserSettings, WebhookState
from train_tools.settings.host import host_files, host_webui
from train_tools.settings.record import (
    change_settings,
    listed,
    no_such_setting,
    read_settings,
    typed,
    unknown_keys,
)
from train_tools.settings.secrets import (
    CAPTION_KEY_VARIABLE,
    WEBHOOK_VARIABLE,
    WEBUI_PASSWORD_VARIABLE,
    Secrets,
    WebhookAddress,
    checked_address,
    checked_endpoint,
    checked_webui,
)

WEBHOOK = "webhook_address"
CAPTION_KEY = "caption_key"
WEBUI_PASSWORD = "webui_password"
"""What the secrets are called where settings are typed; they are none of settings.toml."""


class Settings:
    """Shows and changes settings. They are read from the file each time: people edit it."""

    def __init__(self, outputs: OutputsPaths, secrets: Secrets) -> None:
        self._outputs = outputs
        self._secrets = secrets
        self._writing = threading.Lock()

    def read(self) -> UserSettings:
        return read_settings(self._outputs.settings)

    @property
    def host_files(self) -> HostFiles | None:
        """Of the WebUI that has started this process; None when we stand alone."""
        return host_files()

    @property
    def model_folders(self) -> tuple[str, ...]:
        """Where base models are looked for: as the settings say, and those of the WebUI that we are a tab of."""
        theirs = host.models if (host := host_webui()) else ()
        return (*self.read().models.folders, *(str(folder) for folder in theirs if folder.is_dir()))

    @property
    def gives_way(self) -> bool:
        """Whether trainings stop while somebody generates in the WebUI that we are a tab of."""
        webui = self.read().webui
        return webui.lease and webui.give_way and host_webui() is not None

    @property
    def shown_folders(self) -> tuple[str, ...]:
        """Below which the page may pick paths."""
        theirs = (*host.vaes, host.loras) if (host := host_webui()) else ()
        return (*self.read().page.folders, *self.model_folders, *map(str, theirs))

    @property
    def lora_folder(self) -> Path | None:
        """Where a WebUI looks for LoRAs: as the settings say, else that of the one we are a tab of."""
        copies = self.read().copies
        if copies.folder:
            return copies.place
        return host.loras if (host := host_webui()) else None

    def all(self) -> tuple[Setting, ...]:
        """Every setting as it is now; of the webhook's address no more than may be shown."""
        webhook = self.webhook
        where = (
            f"set by {WEBHOOK_VARIABLE}"
            if webhook.from_environment
            else "a secret, kept in this user's own folder"
        )
        address = Setting(
            key=WEBHOOK,
            kind=SettingKind.SECRET,
            value=webhook.shown,
            default="",
            allowed="an address with http:// or https://",
            help=f"where the webhook is; {where}",
        )
        shown = (_as_is_here(setting) for setting in listed(self.read()))
        return (*shown, address, self._caption_key, self._webui_password)

    @property
    def page_password(self) -> str:
        """The hash of the password that opens the page; empty when there is none."""
        return self._secrets.page_password

    def set_page_password(self, hashed: str) -> None:
        """Keeps a hash in this user's own folder; an empty one forgets it."""
        self._secrets.set_page_password(hashed)

    @property
    def page_password_from_environment(self) -> str:
        """As it was typed into TRAIN_TOOLS_PASSWORD; empty when it was not."""
        return self._secrets.page_password_from_environment

    @property
    def _caption_key(self) -> Setting:
        """What may be shown of the key: that there is one, and for whom."""
        here = self._secrets.has_caption_key_from_environment
        host = self._secrets.caption_key_host
        return Setting(
            key=CAPTION_KEY,
            kind=SettingKind.SECRET,
            value=f"set by {CAPTION_KEY_VARIABLE}" if here else f"kept for {host}" if host else "",
            default="",
            allowed="a text",
            help="opens the program that describes pictures; a secret, kept in this user's own folder",
        )

    @property
    def _webui_password(self) -> Setting:
        here = self._secrets.has_webui_password_from_environment
        host = self._secrets.webui_password_host
        return Setting(
            key=WEBUI_PASSWORD,
            kind=SettingKind.SECRET,
            value=f"set by {WEBUI_PASSWORD_VARIABLE}" if here else f"kept for {host}" if host else "",
            default="",
            allowed="a text",
            help="opens the WebUI for webui.user; a secret, kept in this user's own folder",
        )

    def some(self, keys: Sequence[str]) -> tuple[Setting, ...]:
        """Those of these keys. Raises OptionValueError for one that there isn't."""
        found = {each.key: each for each in self.all()}
        for key in keys:
            if key not in found:
                raise no_such_setting(key, found)
        return tuple(found[key] for key in dict.fromkeys(keys))

    @property
    def unknown(self) -> tuple[str, ...]:
        """Keys in the file that mean nothing to this version."""
        return unknown_keys(self._outputs.settings)

    def change(self, values: Mapping[str, Any]) -> UserSettings:
        """Sets values by key, all or none. A folder for copies has to be there: a wrong name, made here, would be
        found by nobody."""
        _check_folder(values.get("copies.folder"))
        if values.get("captions.endpoint"):
            checked_endpoint(str(values["captions.endpoint"]))
        if "webui.url" in values:
            checked_webui(str(values["webui.url"]))
        with self._writing:
            return change_settings(self._outputs.settings, values)

    def change_typed(self, assignments: Mapping[str, str]) -> None:
        """Sets values as somebody typed them, the webhook's address among them."""
        address = assignments.get(WEBHOOK)
        checked = checked_address(address) if address else None
        secrets = (WEBHOOK, CAPTION_KEY, WEBUI_PASSWORD)
        values = {key: typed(key, text) for key, text in assignments.items() if key not in secrets}
        if values:
            self.change(values)
        if CAPTION_KEY in assignments:
            self.set_caption_key(assignments[CAPTION_KEY])
        if WEBUI_PASSWORD in assignments:
            self.set_webui_password(assignments[WEBUI_PASSWORD])
        if address is not None:
            self._secrets.set_webhook(checked)

    @property
    def webhook(self) -> WebhookState:
        return self._secrets.webhook_state

    def set_webhook(self, address: str | None) -> WebhookState:
        """Keeps the webhook's address for this user on this machine; None or "" forgets it."""
        self._secrets.set_webhook(checked_address(address) if address else None)
        return self.webhook

    def set_caption_key(self, key: str) -> None:
        """Keeps the key of the program that describes pictures, for the one that is set now; "" forgets it."""
        self._secrets.set_caption_key(key.strip(), self.read().captions.endpoint)

    def set_webui_password(self, password: str) -> None:
        """Keeps the WebUI's password, for the WebUI that is set now; "" forgets it."""
        self._secrets.set_webui_password(password.strip("\r\n"), self.read().webui.url)

    def try_news(self) -> tuple[str, ...]:
        """Sends a message by each way that is open, now and once, and says what came of it."""
        news = News(
            id="test",
            occasions=(),
            headline="this is a test",
            text="News will come this way.",
            job={},
        )
        settings = self.read().news
        sentences = []
        address = self._secrets.webhook if settings.webhook else None
        if address is not None:
            sentences.append(_tried(address, news))
        if settings.desktop:
            program = notification(f"Train Tools: {news.headline}", news.text)
            problem = run(program) if program else "this machine has no program that shows messages"
            sentences.append(f"The desktop was not told: {problem}." if problem else "The desktop was told.")
        return tuple(sentences)


def _tried(address: WebhookAddress, news: News) -> str:
    try:
        deliver(address, json.dumps(payload_of(news)).encode(), rests_s=())
    except NotDeliveredError as error:
        return f"The webhook was not told: {error}"
    return f"{address.host} was told."


def _check_folder(folder: object) -> None:
    if isinstance(folder, str) and folder and not (place := CopySettings(folder=folder).place).is_dir():
        raise NotFoundError(f"There is no folder {place} for copies. Make it first, or give another.")


def _as_is_here(setting: Setting) -> Setting:
    """With a word on what this machine has no means for."""
    missing = setting.key == "machine.keep_awake" and not can_keep_awake()
    return replace(setting, help=f"{setting.help}; this machine has no means for it") if missing else setting
