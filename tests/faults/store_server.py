"""An S3 server on loopback, and a proxy before it that fails as networks do, by a seed, on a share of requests."""

import http.client
import random
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import urlsplit

import boto3
from moto.server import ThreadedMotoServer

BUCKET = "corpus"
SLOW_S = 0.3
# "lost": the request is carried out and its answer never comes
FAULTS = ("500", "503", "slow", "dropped", "lost")


@dataclass(slots=True)
class Weather:
    """Which requests go wrong; ``calm`` lets all pass. ``sent_bytes`` counts what the store's answers held."""

    seed: int
    share: float
    calm: bool = False
    sent_bytes: int = 0
    seen: Counter[str] = field(default_factory=Counter)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _rng: random.Random = field(init=False)

    def __post_init__(self) -> None:
        self._rng = random.Random(self.seed)

    def next(self) -> str:
        with self._lock:
            fault = self._rng.choice(FAULTS) if self._rng.random() < self.share and not self.calm else "fair"
            self.seen[fault] += 1
            return fault

    def sent(self, size: int) -> None:
        with self._lock:
            self.sent_bytes += size


@dataclass(frozen=True, slots=True)
class Store:
    """``env`` is what a process needs to reach it through the proxy."""

    env: dict[str, str]
    weather: Weather
    direct: str

    def keys(self, prefix: str) -> list[str]:
        """Names of objects, asked of the server itself."""
        pages = self._client().get_paginator("list_objects_v2").paginate(Bucket=BUCKET, Prefix=prefix)
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def put(self, key: str, data: bytes) -> None:
        """Store an object on the server itself."""
        self._client().put_object(Bucket=BUCKET, Key=key, Body=data)

    def _client(self) -> Any:
        return boto3.client("s3", endpoint_url=self.direct, **_CREDENTIALS)


_CREDENTIALS = {"aws_access_key_id": "test", "aws_secret_access_key": "test", "region_name": "us-east-1"}


def _handler(upstream: str, weather: Weather) -> type[BaseHTTPRequestHandler]:
    netloc = urlsplit(upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _forward(self) -> None:
            body = self._body()
            fault = weather.next()
            if fault == "slow":
                time.sleep(SLOW_S)
            if fault == "dropped":
                self.close_connection = True
                return
            if fault in ("500", "503"):
                name = "InternalError" if fault == "500" else "SlowDown"
                self._answer(int(fault), [], f"<Error><Code>{name}</Code><Message>weather</Message></Error>".encode())
                return
            connection = http.client.HTTPConnection(netloc, timeout=30)
            headers = {name: value for name, value in self.headers.items() if name.lower() != "transfer-encoding"}
            headers["Content-Length"] = str(len(body))
            connection.request(self.command, self.path, body=body, headers=headers)
            answer = connection.getresponse()
            data = answer.read()
            connection.close()
            if fault == "lost":
                self.close_connection = True
                return
            self._answer(answer.status, answer.getheaders(), data)

        def _body(self) -> bytes:
            if self.headers.get("Transfer-Encoding", "").lower() != "chunked":
                return self.rfile.read(int(self.headers.get("Content-Length", 0)))
            parts = []
            while size := int(self.rfile.readline().split(b";")[0], 16):
                parts.append(self.rfile.read(size))
                self.rfile.readline()
            self.rfile.readline()
            return b"".join(parts)

        def _answer(self, status: int, headers: list[tuple[str, str]], data: bytes) -> None:
            self.send_response_only(status)
            length = str(len(data))
            for name, value in headers:
                if name.lower() == "content-length" and self.command == "HEAD":
                    length = value
                elif name.lower() not in ("content-length", "connection", "transfer-encoding"):
                    self.send_header(name, value)
            self.send_header("Content-Length", length)
            self.end_headers()
            if self.command != "HEAD":
                weather.sent(len(data))
                self.wfile.write(data)

        do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = _forward  # noqa: N815

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler


class _Proxy(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request: object, client_address: object) -> None:
        return  # a client that was killed


@contextmanager
def object_store(*, seed: int, share: float) -> Iterator[Store]:
    """A bucket behind bad weather."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    direct = f"http://{host}:{port}"
    boto3.client("s3", endpoint_url=direct, **_CREDENTIALS).create_bucket(Bucket=BUCKET)
    weather = Weather(seed, share)
    proxy = _Proxy(("127.0.0.1", 0), _handler(direct, weather))
    thread = threading.Thread(target=proxy.serve_forever, daemon=True)
    thread.start()
    env = {
        "AWS_ENDPOINT_URL": f"http://127.0.0.1:{proxy.server_address[1]}",
        "AWS_ACCESS_KEY_ID": _CREDENTIALS["aws_access_key_id"],
        "AWS_SECRET_ACCESS_KEY": _CREDENTIALS["aws_secret_access_key"],
        "AWS_DEFAULT_REGION": _CREDENTIALS["region_name"],
        "NO_PROXY": "127.0.0.1",
    }
    try:
        yield Store(env, weather, direct)
    finally:
        proxy.shutdown()
        proxy.server_close()
        server.stop()
