"""The server of the chat page, asked over HTTP."""

import base64
import io
import json
import re
import threading
import urllib.error
import urllib.request
from http.client import HTTPConnection
from pathlib import Path

import numpy as np
import pytest
import soundfile as sf

import pipelines.infer.chat as chat
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Speech, Text
from schemas.errors import UserError
from tests.pipelines.infer.conftest import FakeEncoderConfig
from tests.toy_corpus import INFOS


@pytest.fixture(scope="module")
def talking(folder, voice):
    return SpeechTextModel.load(folder, vocoder=voice, encoders=[FakeEncoderConfig(INFOS[0])], device="cpu")


@pytest.fixture(scope="module")
def server(talking):
    with chat.ChatServer(talking, name="toy", port=0) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield server
        server.shutdown()
        thread.join()


def ask(server, **question):
    headers = {"Content-Type": "application/json"}
    request = urllib.request.Request(server.url + "answer", data=json.dumps(question).encode(), headers=headers)
    with urllib.request.urlopen(request, timeout=60) as response:
        return [json.loads(line) for line in response]


def refusal(server, *, method="POST", path="/answer", body=b"{}", **headers):
    connection = HTTPConnection("127.0.0.1", server.server_port, timeout=60)
    connection.request(method, path, body=body, headers={"Content-Type": "application/json", **headers})
    response = connection.getresponse()
    return response.status, json.loads(response.read())["error"]


def pcm(events):
    chunks = [np.frombuffer(base64.b64decode(e["pcm"]), "<i2") for e in events if e["kind"] == "speech"]
    return np.concatenate(chunks) / 32767


@pytest.mark.parametrize("output", ["text", "speech"])
def test_an_answer_comes_in_parts_and_is_that_of_generate(server, talking, output):
    options = {"output": output, "seed": 3, "temperature": 9.0, "top_p": 1.0, "max_new_tokens": 80}
    events = ask(server, prompt=[{"kind": "text", "text": "red goes left"}], **options)
    (parts,) = talking.generate([[Text("red goes left")]], **options)
    assert events[-1]["kind"] == "end"
    if output == "text":
        assert "".join(event["text"] for event in events[:-1]) == parts[0].text
        return
    assert [token for event in events[:-1] for token in event["tokens"]] == list(parts[0].tokens)
    np.testing.assert_allclose(pcm(events), parts[0].audio, atol=3e-4)
    assert events[0]["spelled"].startswith("[Hu")
    assert events[-1]["audio_s"] == pytest.approx(len(parts[0].audio) / 16_000, abs=1e-3)


def wav_of(samples, rate):
    file = io.BytesIO()
    sf.write(file, samples, rate, format="WAV", subtype="PCM_16")
    return base64.b64encode(file.getvalue()).decode()


def test_a_recording_of_any_rate_is_heard_and_an_answer_can_be_asked_about(server, talking):
    tone = 0.3 * np.sin(np.arange(48_000) / 40)
    options = {"output": "text", "temperature": 0.0, "max_new_tokens": 12}
    events = ask(server, prompt=[{"kind": "speech", "wav": wav_of(tone, 48_000)}], **options)
    (parts,) = talking.generate([[Speech(np.zeros(16_000, np.float32))]], **options)
    assert "".join(event.get("text", "") for event in events) == "".join(part.text for part in parts)
    spoken = ask(server, prompt=[{"kind": "text", "text": "red"}], output="speech", temperature=0.0, max_new_tokens=12)
    tokens = [token for event in spoken[:-1] for token in event["tokens"]]
    prompt = [{"kind": "text", "text": "red"}, {"kind": "speech", "tokens": tokens}] * 8  # longer than the context
    assert ask(server, prompt=prompt, **options)[-1]["kind"] == "end"


@pytest.mark.parametrize(
    ("question", "message"),
    [
        ({"prompt": []}, "prompt"),
        ({"prompt": [{"kind": "text", "text": "red"}], "temprature": 1}, "did you mean temperature"),
        ({"prompt": [{"kind": "text", "text": "red"}], "top_p": 0}, "top_p"),
        ({"prompt": [{"kind": "speech", "wav": "###"}]}, "not base64"),
        ({"prompt": [{"kind": "speech", "wav": "AAAA"}]}, "cannot be used"),
        ({"prompt": [{"kind": "speech", "wav": wav_of(np.zeros(100), 16_000)}]}, "minimum of 80 ms"),
        ({"prompt": [{"kind": "speech", "tokens": [1]}]}, "no speech token"),
    ],
)
def test_a_wrong_question_is_one_line(server, question, message):
    status, error = refusal(server, body=json.dumps(question).encode())
    assert status == 400
    assert message in error
    assert "\n" not in error


def test_other_sites_pages_and_other_requests_are_refused(server):
    assert refusal(server, Origin="https://example.org")[0] == 403
    assert refusal(server, Host="example.org")[0] == 403
    assert refusal(server, method="GET", path="/about", Host="[")[0] == 403
    assert refusal(server, body=b"nothing")[0] == 400
    assert refusal(server, **{"Content-Type": "text/plain"})[0] == 415
    assert refusal(server, path="/elsewhere")[0] == 404
    assert refusal(server, method="GET", path="/../chat.py")[0] == 404
    too_long = str(chat.MAX_BODY_BYTES + 1)
    assert refusal(server, body=None, **{"Content-Length": too_long})[0] == 413


def test_the_page_is_whole_and_asks_nobody_else(server):
    for path, (file, content_type) in chat._FILES.items():
        with urllib.request.urlopen(server.url.rstrip("/") + path, timeout=60) as response:
            page = response.read().decode()
            assert response.headers.get_content_type() == content_type
            assert "default-src 'none'" in response.headers["Content-Security-Policy"]
        assert page == (Path(chat.__file__).parent / "templates" / file).read_text()
        assert not re.search(r"https?://|//\w+\.", page)
    with urllib.request.urlopen(server.url + "about", timeout=60) as response:
        about = json.load(response)
    assert about == {"name": "toy", "hears": True, "speaks": True, "context": 128, "rate_hz": 16_000}


def test_a_taken_port_is_the_users_mistake(server, talking):
    with pytest.raises(UserError, match=r"port \d+: .*--port"):
        chat.ChatServer(talking, name="toy", port=server.server_port)
