"""A message on this machine's desktop, by the program that the system has for it."""

from __future__ import annotations

import html
import sys

from train_tools.machine.program import Program, found

LONGEST = 500
"""More does not fit into a bubble."""

_APPLE_SCRIPT = ("on run argv", "display notification (item 2 of argv) with title (item 1 of argv)", "end run")
_TOAST = """\
$ErrorActionPreference = 'Stop'
$null = [Windows.UI.Notifications.ToastNotificationManager, Windows.UI.Notifications, ContentType = WindowsRuntime]
$toast = [Windows.UI.Notifications.ToastNotificationManager]::GetTemplateContent('ToastText02')
$lines = $toast.GetElementsByTagName('text')
$lines.Item(0).AppendChild($toast.CreateTextNode($env:TRAIN_TOOLS_TITLE)) | Out-Null
$lines.Item(1).AppendChild($toast.CreateTextNode($env:TRAIN_TOOLS_TEXT)) | Out-Null
$sender = '{1AC14E77-02E7-4E5D-B744-2EB1AE5198B7}\\WindowsPowerShell\\v1.0\\powershell.exe'
$notifier = [Windows.UI.Notifications.ToastNotificationManager]::CreateToastNotifier($sender)
$notifier.Show([Windows.UI.Notifications.ToastNotification]::new($toast))
"""
"""Takes its words from the environment, so that no name can be part of the script."""


def notification(title: str, text: str, system: str = sys.platform) -> Program | None:
    """The program that shows a message, or None when this machine has none."""
    title, text = _clean(title), _clean(text)
    if system == "darwin":
        script = [word for line in _APPLE_SCRIPT for word in ("-e", line)]
        return found("osascript", *script, title, text)
    if system == "win32":
        return found(
            "powershell",
            "-NoProfile",
            "-NonInteractive",
            "-Command",
            _TOAST,
            TRAIN_TOOLS_TITLE=title,
            TRAIN_TOOLS_TEXT=text,
        )
    return found("notify-send", "--app-name=Train Tools", title, html.escape(text, quote=False))


def _clean(text: str) -> str:
    """Text that can be a program's argument and is no option of it, and not longer than is shown."""
    printable = "".join(char for char in text if char == "\n" or char.isprintable())
    cut = printable if len(printable) <= LONGEST else printable[: LONGEST - 1] + "…"
    return f" {cut}" if cut.startswith("-") else cut
