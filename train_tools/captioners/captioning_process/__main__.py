"""`python -m train_tools.captioners.captioning_process request.json`: captions a version's originals."""

from __future__ import annotations

import sys

from train_tools.captioners.captioning_process.openers import open_captioners
from train_tools.captioners.session import main

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], open_captioners))
