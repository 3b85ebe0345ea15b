import json

import pytest

from sd_contract.errors import OptionError
from sd_contract.sample_prompts import SamplePrompt, read_sample_prompts

SAMPLERS = ("ddim", "euler_a")


def read(path, content):
    path.write_text(content, encoding="utf-8")
    return read_sample_prompts(path, size_px=512, sampler="ddim", samplers=SAMPLERS)


def test_a_line_is_a_prompt_with_options(tmp_path):
    text = (
        "# comment\n\nn x 5, a cat's [paw] -- 画\n"
        "a dog --n bad, blurry --w 516 --h 40 --D 7 --s 5000 --l 4.5 --ss euler_a\n"
    )
    plain, full = read(tmp_path / "p.txt", text)

    assert plain == SamplePrompt(prompt="n x 5, a cat's [paw] -- 画", width_px=512, height_px=512, sampler="ddim")
    assert full == SamplePrompt(
        prompt="a dog",
        negative_prompt="bad, blurry",
        width_px=512,
        height_px=64,
        seed=7,
        steps=1000,
        guidance=4.5,
        sampler="euler_a",
    )


def test_toml_subsets_share_what_stands_above_them(tmp_path):
    shared = "[prompt]\nwidth = 256\nsample_steps = 9\n"
    text = f"{shared}[[prompt.subset]]\nprompt = 'a'\n[[prompt.subset]]\nprompt = 'b'\nseed = 1"
    first, second = read(tmp_path / "p.toml", text)

    assert (first.prompt, first.width_px, first.steps, first.seed) == ("a", 256, 9, None)
    assert (second.prompt, second.width_px, second.steps, second.seed) == ("b", 256, 9, 1)


def test_json_holds_tables_or_lines(tmp_path):
    content = [{"prompt": "a", "scale": 3, "negative_prompt": "b"}, "c --d 2"]
    table, line = read(tmp_path / "p.json", json.dumps(content))

    assert (table.guidance, table.negative_prompt) == (3.0, "b")
    assert (line.prompt, line.seed) == ("c", 2)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        (
            "p.txt",
            "a cat --cn x.png",
            r"p\.txt, line 1: --cn is not known\. Allowed: --n, --w, --h, --d",
        ),
        ("p.txt", "a\nb --w wide", r"p\.txt, line 2: --w = 'wide' can't be used"),
        ("p.txt", "a --ss euler", r"sampler 'euler' is not known\. Allowed: ddim, euler_a"),
        ("p.txt", "\n# nothing", "holds no prompt"),
        ("p.json", '[{"prompt": "a", "widht": 3}]', "entry 1: key 'widht' is not known"),
        ("p.json", '[{"prompt": "a", "width": true}]', "entry 1: width = True can't be used"),
        ("p.json", "[1]", 'entry 1: a table with a text "prompt" is wanted'),
        ("p.json", "{", "can't be read: Expecting"),
        ("p.toml", "[prompt", "can't be read: "),
        ("p.yaml", "a", r"a \.txt, \.toml or \.json file is wanted"),
    ],
)
def test_a_mistake_is_told_with_its_place(tmp_path, name, content, told):
    with pytest.raises(OptionError, match=told):
        read(tmp_path / name, content)


def test_a_missing_file_is_told(tmp_path):
    with pytest.raises(OptionError, match=r"gone\.txt can't be read: No such file"):
        read_sample_prompts(tmp_path / "gone.txt", size_px=64, sampler="ddim", samplers=SAMPLERS)
