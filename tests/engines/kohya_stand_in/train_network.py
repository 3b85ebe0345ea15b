"""Stands in for kohya's script of this name: its parser, console, files, exit codes and signals as they were
measured (48d368fa). What a run does besides is steered by `training_comment`."""

import torch  # noqa: F401
from library import stand_in


def setup_parser():
    return stand_in.parser_of("train_network")


if __name__ == "__main__":
    stand_in.main(setup_parser())
