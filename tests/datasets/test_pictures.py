from __future__ import annotations

import subprocess
import sys

import pytest
from PIL import Image

from train_tools.datasets.pictures import NotAPictureError, picture_suffixes, read_picture


def test_the_rooms_are_imported_without_pillow_and_numpy():
    modules = ["projects.store", "imports.intake", "preparation.preparation", "datasets.dataset"]
    imports = "; ".join(f"import train_tools.{module}" for module in modules)
    told = f"import sys; {imports}; print({{'PIL', 'numpy', 'torch'}} & set(sys.modules))"
    path = "; ".join(f"import sys; sys.path.append({entry!r})" for entry in sys.path)
    done = subprocess.run([sys.executable, "-c", f"{path}; {told}"], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_what_a_file_is_decides_not_what_its_name_says(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", format="JPEG")
    assert read_picture(tmp_path / "a.png").format == "JPEG"


def test_formats_that_are_not_allowed_are_not_opened_under_an_allowed_name(tmp_path):
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png", format="PPM")
    with pytest.raises(NotAPictureError, match="format that can't be read"):
        read_picture(tmp_path / "a.png")


def test_the_usual_formats_are_allowed_everywhere():
    assert {".png", ".jpg", ".jpeg", ".bmp", ".webp", ".gif", ".tif", ".tiff"} <= set(picture_suffixes())


def test_a_file_that_is_gone_is_told_as_such(tmp_path):
    with pytest.raises(NotAPictureError, match="No such file"):
        read_picture(tmp_path / "a.png")
