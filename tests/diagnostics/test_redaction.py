from __future__ import annotations

import json
from pathlib import Path, PureWindowsPath

import pytest

from train_tools.diagnostics.redaction import Redaction, secrets_in, sounds_secret, without_secrets_in

PLANTED = "Gz7-planted.Value"


@pytest.fixture
def redacted() -> Redaction:
    return Redaction([], home=Path("/home/jane"), user="jane", host="janes-pc.example.org")


@pytest.mark.parametrize(
    "text",
    [
        f"huggingface_token = {PLANTED}",
        f"huggingface_token={PLANTED} and more",
        f'wandb_api_key = "{PLANTED}"',
        f'{{"wandb_api_key": "{PLANTED}"}}',
        json.dumps(json.dumps({"api_key": PLANTED})),
        f"{{'apiKey': '{PLANTED}'}}",
        f"--huggingface_token {PLANTED} --lr 1",
        f"--huggingface-token={PLANTED}",
        f"['--wandb_api_key', '{PLANTED}']",
        f'"--wandb_api_key", "{PLANTED}"',
        f"export HF_TOKEN={PLANTED}",
        f"set CIVITAI_TOKEN={PLANTED}",
        f"db.password: correct {PLANTED}",
        f"accessToken: {PLANTED}",
        f'api_token = ["{PLANTED}", "{PLANTED}"]',
        f"Authorization: Token {PLANTED}",
        f"Cookie: a=b; c={PLANTED}",
        f"curl -H 'Authorization: Bearer {PLANTED}'",
        f"sent Bearer {PLANTED}",
        f"https://jane:{PLANTED}@github.com/x/y.git",
        f"https://civitai.com/api/download/1?type=x&token={PLANTED}",
        f"https://discord.com/api/webhooks/123/{PLANTED}",
        f"https://hooks.example.org/{PLANTED}",
        json.dumps(f"a line\nhuggingface_token={PLANTED}\tand more"),
        json.dumps({"message": f"it said token={PLANTED}"}),
        f"http_proxy=http://me:{PLANTED}@proxy:3128",
    ],
)
def test_what_has_a_name_that_sounds_secret_is_taken_out(redacted, text):
    assert PLANTED not in redacted(text)
    assert "<secret>" in redacted(text)


@pytest.mark.parametrize(
    "secret",
    [
        "hf_abcdefghijklmnop",
        "sk-abcdefghijklmnopqrst",
        "ghp_abcdefghij1234567890",
        "github_pat_11AAAAAAAAAAAAAAAAAAAA_bcd",
        "xoxb-1234567890-abc",
        "AKIAIOSFODNN7EXAMPLE",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.abc-def",
        "-----BEGIN PRIVATE KEY-----\nMIIEvQ\n-----END PRIVATE KEY-----",
    ],
)
def test_what_has_the_form_of_a_secret_is_taken_out(redacted, secret):
    assert redacted(f"it said {secret}, then ended") == "it said <secret>, then ended"


@pytest.mark.parametrize("secret", ['it\'s "a" кот & more', "C:\\no\\path", "a/b+c=d e"])
def test_a_known_secret_is_taken_out_however_it_is_written(secret):
    redacted = Redaction([secret])
    for text in (secret, json.dumps(secret), json.dumps({"x": json.dumps(secret)}), repr(secret)):
        assert redacted(f"before {text} after").count("<secret>") == 1, text


def test_of_the_address_of_a_webhook_its_secret_parts_are_known_alone():
    redacted = Redaction(["https://news.example.org/services/T0Zq9?key=abc123"])
    assert redacted("services: POST T0Zq9 abc1234") == "services: POST T0Zq9 <secret>4"
    assert redacted("/services/B0ZZ77") == "/services/B0ZZ77"


@pytest.mark.parametrize("text", ["Sq7" * 100_000, "-" * 300_000, "a=" * 2_000 + " " * 100_000, "/home" * 60_000])
def test_long_lines_are_gone_through(redacted, text):
    assert redacted(f"{text} hf_abcdefghijklmnop").endswith("<secret>")


def test_of_two_secrets_the_longer_is_taken_out_whole():
    assert Redaction(["abcdef", "abcdef-and-more"])("x abcdef-and-more y") == "x <secret> y"


def test_a_short_secret_does_not_eat_the_text():
    assert Redaction(["a", ""])("a cat, token=a") == "a cat, token=<secret>"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("/home/jane/train/x.png", "~/train/x.png"),
        ("/home/other user/x.png is gone", "~/x.png is gone"),
        ("in /home/other, and", "in ~, and"),
        ("/Users/Jane Doe/Pictures", "~/Pictures"),
        (r"C:\Users\Jane Doe\train\x.png", r"~\train\x.png"),
        (json.dumps(r"C:\Users\jd\x.png"), json.dumps(r"~\x.png")),
        ("/mnt/c/Users/jd/x.png", "/mnt/c~/x.png"),
        ("/media/jane/disk", "/media/<user>/disk"),
        ("on janes-pc.example.org and JANES-PC, not janes-pcs", "on <host> and <host>, not janes-pcs"),
    ],
)
def test_homes_and_names_are_taken_out(redacted, text, left):
    assert redacted(text) == left


def test_a_home_that_is_written_another_way_is_one_too():
    home = PureWindowsPath(r"D:\profiles\jd")
    redacted = Redaction([], home=home)
    assert redacted(r"D:\profiles\jd\x") == r"~\x"
    assert redacted(json.dumps(r"D:\profiles\jd\x")) == json.dumps(r"~\x")
    assert redacted("D:/profiles/jd/x") == "~/x"


@pytest.mark.parametrize(
    "text",
    [
        "max_token_length = 150, class_tokens: cat, keep_tokens=2",
        "epoch 3/10, avr_loss=0.123",
        '{"step": 12, "seed": 42, "keep_tokens_separator": "|||"}',
        "https://huggingface.co/openai/clip-vit-large-patch14/resolve/main/vocab.json",
        "https://github.com/kohya-ss/sd-scripts/commit/48d368fa557731ad0488c07304dfeba8c07910eb",
        "network_module = networks.lora",
        "api_key = null",
        'File "/opt/train_tools/runs/training.py", line 12, in author',
        "root and user",
    ],
)
def test_what_is_no_secret_stays(text):
    assert Redaction([], home=Path("/root"), user="root", host="pc")(text) == text


def test_json_stays_json(redacted):
    text = json.dumps({"token": 12345, "list": {"api_key": ["a", "b"]}, "url": "https://x.org/?a=b", "n": None})
    assert json.loads(redacted(text)) == {
        "token": "<secret>",
        "list": {"api_key": "<secret>"},
        "url": "https://x.org/?<secret>",
        "n": None,
    }


def test_values_are_taken_out_by_their_names():
    value = {"a": [{"hf_token": {"deep": PLANTED}}], "password": "", "rank": 8}
    assert without_secrets_in(value) == {"a": [{"hf_token": "<secret>"}], "password": "", "rank": 8}


def test_secrets_of_the_environment_are_known_by_name_and_in_addresses():
    environment = {"HF_TOKEN": "one", "PWD": "/home", "HTTPS_PROXY": "http://me:two@proxy:1", "PATH": "/bin"}
    assert list(secrets_in(environment)) == ["one", "two"]


@pytest.mark.parametrize(
    "name", ["HF_TOKEN", "accessToken", "--wandb-api-key", "TRAIN_TOOLS_WEBHOOK", "db.password"]
)
def test_names_that_sound_secret(name):
    assert sounds_secret(name)


@pytest.mark.parametrize("name", ["PWD", "max_token_length", "class_tokens", "passes", "author", "key_frames"])
def test_names_that_do_not(name):
    assert not sounds_secret(name)
