"""``plait chat``: a page on this machine with a microphone, a text box and the model's interleaved answer as it comes.

    GET  /         the page, its style and its two scripts; nothing from elsewhere, which its policy forbids the browser
    GET  /about    what the model can hear and say, as JSON
    POST /answer   a prompt as JSON; the answer as lines of JSON, one a part while tokens are still being drawn

Standard library alone. It listens on the loopback address and answers no request that another site's page made: neither
one with a foreign Origin, nor one under a foreign host name that was made to point here.
"""

import base64
import io
import json
import threading
import time
from collections.abc import Iterator
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import numpy as np
from pydantic import Field

from pipelines.infer.listening import MAX_PROMPT_S
from pipelines.infer.model import SpeechTextModel
from pipelines.infer.parts import Part, Speech, Text
from pipelines.train.samples import spell
from pipelines.yaml_config import Section, validate
from schemas.errors import RecordError, UserError
from schemas.records import SAMPLE_RATE_HZ, Waveform
from transforms.audio import decode_file

ADDRESS = "127.0.0.1"
MAX_BODY_BYTES = 64 << 20  # about ten minutes of a microphone's 48 kHz
_LOCAL_NAMES = frozenset({"127.0.0.1", "localhost", "::1"})
_PAGES = Path(__file__).parent / "templates"
_FILES: dict[str, tuple[str, str]] = {
    "/": ("chat.html", "text/html"),
    "/chat.css": ("chat.css", "text/css"),
    "/chat.js": ("chat.js", "text/javascript"),
    "/recorder.js": ("recorder.js", "text/javascript"),
}
_POLICY = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; media-src blob:; img-src data:"


class TextPart(Section):
    kind: Literal["text"]
    text: str


class SpeechPart(Section):
    """A recording (base64 of a WAV file of any rate), or tokens of an answer before."""

    kind: Literal["speech"]
    wav: str = ""
    tokens: tuple[int, ...] = ()


class Question(Section):
    """The body of POST /answer."""

    prompt: tuple[Annotated[TextPart | SpeechPart, Field(discriminator="kind")], ...] = Field(min_length=1)
    output: Literal["text", "speech", "any"] = "any"
    max_new_tokens: int = Field(default=256, ge=1)
    temperature: float = Field(default=0.8, ge=0.0)
    top_p: float = Field(default=0.95, gt=0.0, le=1.0)
    seed: int = Field(default=0, ge=0)


class ChatServer(ThreadingHTTPServer):
    """Serves one model; answers are made one after the other. Port 0 takes a free one."""

    daemon_threads = True

    def __init__(self, model: SpeechTextModel, *, name: str, port: int) -> None:
        self.model = model
        self.name = name
        self.turn = threading.Lock()
        try:
            super().__init__((ADDRESS, port), ChatHandler)
        except OSError as error:
            raise UserError(f"chat: port {port}: {error.strerror}; choose another with --port") from error

    @property
    def url(self) -> str:
        return f"http://{ADDRESS}:{self.server_port}/"


class ChatHandler(BaseHTTPRequestHandler):
    """HTTP/1.0: an answer ends with its connection, and is whole if its last line says ``end``."""

    server: ChatServer

    def do_GET(self) -> None:
        if not self._is_local():
            return
        path = urlsplit(self.path).path
        if path == "/about":
            self._send(HTTPStatus.OK, "application/json", json.dumps(about(self.server)).encode())
        elif path in _FILES:
            file, content_type = _FILES[path]
            self._send(HTTPStatus.OK, f"{content_type}; charset=utf-8", (_PAGES / file).read_bytes())
        else:
            self._fail(HTTPStatus.NOT_FOUND, f"there is no {path}")

    def do_POST(self) -> None:
        if not self._is_local():
            return
        length = self.headers.get("Content-Length", "")
        if urlsplit(self.path).path != "/answer":
            self._fail(HTTPStatus.NOT_FOUND, "questions go to /answer")
        elif self.headers.get_content_type() != "application/json":
            self._fail(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "a question is application/json")
        elif not length.isdigit() or int(length) > MAX_BODY_BYTES:
            self._fail(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a question has at most {MAX_BODY_BYTES >> 20} MiB")
        else:
            self._answer(self.rfile.read(int(length)))

    def _answer(self, body: bytes) -> None:
        with self.server.turn:
            try:
                events = answer(self.server.model, parse_question(body))
            except UserError as error:
                self._fail(HTTPStatus.BAD_REQUEST, str(error))
                return
            self._head(HTTPStatus.OK, "application/x-ndjson")
            try:
                for event in events:
                    self.wfile.write(json.dumps(event).encode() + b"\n")
            except ConnectionError:
                self.log_message("the page was closed before its answer was whole")

    def _is_local(self) -> bool:
        hosts = [_hostname(f"//{self.headers.get('Host', '')}")]
        if "Origin" in self.headers:
            hosts.append(_hostname(self.headers["Origin"]))
        if all(host in _LOCAL_NAMES for host in hosts):
            return True
        self._fail(HTTPStatus.FORBIDDEN, "only pages of this machine may ask")
        return False

    def _fail(self, status: HTTPStatus, error: str) -> None:
        self._send(status, "application/json", json.dumps({"error": error}).encode())

    def _send(self, status: HTTPStatus, content_type: str, body: bytes) -> None:
        self._head(status, content_type, length=len(body))
        self.wfile.write(body)

    def _head(self, status: HTTPStatus, content_type: str, *, length: int | None = None) -> None:
        self.send_response(status)
        self.send_header("Content-Type", content_type)
        self.send_header("Content-Security-Policy", _POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Cache-Control", "no-store")
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        """Requests that went well are not worth a line."""


def _hostname(url: str) -> str | None:
    try:
        return urlsplit(url).hostname
    except ValueError:
        return None


def about(server: ChatServer) -> dict[str, Any]:
    model = server.model
    return {
        "name": server.name,
        "hears": model.can_hear,
        "speaks": model.vocoder is not None,
        "context": model.context,
        "rate_hz": SAMPLE_RATE_HZ,
    }


def parse_question(body: bytes) -> Question:
    """Raises UserError with one line where the body is no question."""
    try:
        data = json.loads(body)
    except ValueError as error:
        raise UserError(f"question: not JSON: {error}") from error
    return validate(Question, data, where="question")


def answer(model: SpeechTextModel, question: Question) -> Iterator[dict[str, Any]]:
    """Parts of the answer as JSON objects, the last of kind ``end``. The oldest part of a long prompt is left out.

    Raises:
        UserError: The prompt cannot be read, before the first part.
    """
    began = time.perf_counter()
    options = question.model_dump(exclude={"prompt"})
    prompt = [_part(part) for part in question.prompt]
    parts = model.stream(prompt, truncate_prompt=True, **options)

    def events() -> Iterator[dict[str, Any]]:
        samples = 0
        for part in parts:
            if isinstance(part, Speech) and isinstance(part.audio, np.ndarray):
                samples += len(part.audio)
            yield _event(model, part)
        spent = time.perf_counter() - began
        yield {"kind": "end", "seconds": round(spent, 3), "audio_s": round(samples / SAMPLE_RATE_HZ, 3)}

    return events()


def _part(part: TextPart | SpeechPart) -> Part:
    if isinstance(part, TextPart):
        return Text(part.text)
    return Speech(tokens=part.tokens) if part.tokens else Speech(audio=_recording(part.wav))


def _recording(wav: str) -> Waveform:
    try:
        return decode_file(io.BytesIO(base64.b64decode(wav, validate=True)), max_duration_s=MAX_PROMPT_S)
    except ValueError as error:
        raise UserError(f"question: a recording is not base64: {error}") from error
    except RecordError as error:
        raise UserError(f"question: a recording cannot be used: {error.detail}") from error


def _event(model: SpeechTextModel, part: Part) -> dict[str, Any]:
    if isinstance(part, Text):
        return {"kind": "text", "text": part.text}
    spelled = spell(list(part.tokens), layout=model.layout, text=model.tokenizer)
    audio = np.zeros(0, np.float32) if not isinstance(part.audio, np.ndarray) else part.audio
    pcm = base64.b64encode((audio * 32767).round().astype("<i2").tobytes()).decode()
    return {"kind": "speech", "tokens": part.tokens, "spelled": spelled, "pcm": pcm}


def chat(model: SpeechTextModel, *, name: str, port: int) -> None:
    """Serve until interrupted."""
    with ChatServer(model, name=name, port=port) as server:
        print(f"{server.url}   (Ctrl-C ends it)", flush=True)
        try:
            server.serve_forever()
        except KeyboardInterrupt:
            print("ended", flush=True)
