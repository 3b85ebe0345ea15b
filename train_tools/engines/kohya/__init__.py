"""The trainer `kohya`: checkouts of kohya's sd-scripts, driven as they are."""
