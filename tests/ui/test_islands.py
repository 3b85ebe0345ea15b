import pytest

from train_tools.ui.islands import fact_of, markup


@pytest.mark.parametrize("name", ['"><script>alert(1)</script>', "画像 🌙 `${x}`", "$$x$$ *a* _b_", "\ud800"])
def test_a_fact_travels_as_hex_and_comes_back(name: str) -> None:
    told = markup("tt-place", {"project": name})
    assert told.isascii() and name not in told
    assert fact_of(told) == {"project": name}


def test_no_fact_is_none() -> None:
    assert fact_of(markup("tt-queue")) is None
