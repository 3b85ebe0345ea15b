from __future__ import annotations

import base64
import io
import time

import pytest
from PIL import Image

from tests.captioners.hub import Describer, giving, giving_json, saying, serving
from train_tools.captioners.captioning_process.endpoint import EndpointCaptioner, open_endpoint
from train_tools.captioners.session import PictureError, Subject
from train_tools.errors import OptionValueError, TrainToolsError
from train_tools.jobs.lease import state_folder
from train_tools.model.captioning import Endpoint
from train_tools.settings.secrets import Secrets

KEY = "sk-a-secret"


@pytest.fixture
def large(tmp_path):
    return Subject(tmp_path / "large.png", Image.new("RGB", (3000, 1500), (250, 20, 20)))


@pytest.fixture
def describer():
    describer = Describer([saying("A red wall.")])
    with serving(describer=describer) as address:
        describer.address = f"{address}/v1"
        yield describer


def captioner(describer, *, tries=3, timeout_s=20.0, key=KEY):
    endpoint = Endpoint(address=describer.address, model="seer")
    rests = []
    made = EndpointCaptioner(
        endpoint, "Describe it.", key, timeout_s=timeout_s, rests_s=(1.0, 2.0)[: tries - 1], rest=rests.append
    )
    return made, rests


def test_a_picture_is_sent_small_and_drawn_anew(describer, large):
    large.image.info["exif"] = b"where it was taken"
    assert captioner(describer)[0].words(large) == "A red wall."
    (question,) = describer.questions
    assert (describer.keys, describer.paths) == ([f"Bearer {KEY}"], ["/v1/chat/completions"])
    assert question["model"] == "seer"
    text, picture = question["messages"][0]["content"]
    assert text == {"type": "text", "text": "Describe it."}
    head, _, content = picture["image_url"]["url"].partition(",")
    assert head == "data:image/jpeg;base64"
    sent = Image.open(io.BytesIO(base64.b64decode(content)))
    assert sent.size == (1024, 512)
    assert not sent.getexif()
    assert all(abs(a - b) < 4 for a, b in zip(sent.getpixel((9, 9)), (250, 20, 20), strict=True))


def test_what_may_pass_is_tried_again_after_a_rest(describer, large):
    describer.answers[:0] = [giving(b"busy", 503), giving(b"slow down", 429)]
    made, rests = captioner(describer)
    assert made.words(large) == "A red wall."
    assert rests == [1.0, 2.0]


def test_a_server_that_stays_broken_costs_one_picture(describer, large):
    describer.answers = [giving(b"out of memory", 500)]
    made, _ = captioner(describer)
    with pytest.raises(PictureError, match=r"127\.0\.0\.1 answers 500: 'out of memory'"):
        made.words(large)
    assert len(describer.questions) == 3


@pytest.mark.parametrize("status", [401, 403])
def test_a_wrong_key_ends_it_at_once_and_is_not_repeated(describer, large, status):
    describer.answers = [giving_json({"error": "bad key"}, status)]
    with pytest.raises(TrainToolsError, match=f"refuses the key \\({status}\\).*caption_key=-") as caught:
        captioner(describer)[0].words(large)
    assert not isinstance(caught.value, PictureError)
    assert len(describer.questions) == 1
    assert KEY not in str(caught.value)


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (giving_json({"text": "flat"}), "something else than OpenAI's would"),
        (giving_json("flat"), "something else than OpenAI's would"),
        (giving_json({"choices": []}), "something else than OpenAI's would"),
        (giving(b"<html>"), "something else than OpenAI's would: '<html>'"),
        (saying(""), "without a word"),
        (saying(None), "without a word"),
        (giving(b"x" * 2_000_000), "more than a caption can be"),
        (giving_json({"error": "no pictures here"}, 400), "answers 400: .*no pictures here"),
    ],
)
def test_an_answer_that_is_no_caption_is_told(describer, large, answer, words):
    describer.answers = [answer]
    with pytest.raises(PictureError, match=words):
        captioner(describer)[0].words(large)


def test_an_answer_in_parts_is_put_together(describer, large):
    describer.answers = [saying([{"type": "text", "text": "A red\n"}, {"type": "text", "text": "wall."}])]
    assert captioner(describer)[0].words(large) == "A red wall."


def test_a_redirect_is_not_followed(describer, large):
    describer.answers = [giving(b"", 307, {"Location": "http://127.0.0.1:9/v1/chat/completions"})]
    with pytest.raises(TrainToolsError, match="redirects are not followed"):
        captioner(describer)[0].words(large)


def test_a_wrong_address_is_told_for_all(describer, large):
    describer.answers = [giving(b"", 404)]
    with pytest.raises(TrainToolsError, match="nothing at that address"):
        captioner(describer)[0].words(large)
    gone = EndpointCaptioner(Endpoint(address="http://127.0.0.1:9/v1"), "x", rests_s=())
    with pytest.raises(TrainToolsError, match="can't be reached") as caught:
        gone.words(large)
    assert not isinstance(caught.value, PictureError)


def test_one_that_speaks_too_slowly_is_not_waited_for(describer, large):
    def dripping(handler):
        handler.send_response(200)
        handler.send_header("Content-Length", "100000")
        handler.end_headers()
        try:
            for _ in range(200):
                handler.wfile.write(b" ")
                handler.wfile.flush()
                time.sleep(0.05)
        except OSError:
            pass  # the asker has gone

    describer.answers = [dripping]
    with pytest.raises(PictureError, match=r"did not answer within 0\.3 s"):
        captioner(describer, tries=1, timeout_s=0.3)[0].words(large)


def test_the_key_goes_to_the_host_it_was_given_for(tmp_path, monkeypatch):
    secrets = Secrets(state_folder(), {})
    secrets.set_caption_key(KEY, "http://127.0.0.1:1234/v1")
    assert secrets.caption_key("http://127.0.0.1:1234/v1") == KEY
    with pytest.raises(OptionValueError, match=r"for '127\.0\.0\.1:1234', and is not sent to 'evil") as no:
        secrets.caption_key("https://evil.example/v1")
    assert KEY not in str(no.value)
    assert secrets.file.stat().st_mode & 0o077 == 0
    secrets.set_caption_key("", "")
    assert secrets.caption_key("https://evil.example/v1") == ""
    assert Secrets(state_folder(), {"TRAIN_TOOLS_CAPTION_KEY": "k"}).caption_key("http://a/v1") == "k"


def test_without_an_address_nothing_is_opened(tmp_path, opening):
    with pytest.raises(OptionValueError, match="none is set"):
        open_endpoint(opening(tmp_path, "endpoint"))
