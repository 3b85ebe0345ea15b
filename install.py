"""Run by the WebUI before each start. Installs nothing: the tab does, in a folder of its own and in view."""

from pathlib import Path


def main() -> None:
    if not (Path(__file__).with_name(".venv") / "train-tools.json").exists():
        print("Train Tools: not set up yet. Open its tab to do so; nothing of the WebUI is changed.")


if __name__ == "__main__":
    main()
