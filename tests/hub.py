"""A server on this machine that speaks as much of the Hub's API as loading a model needs, and a process that uses it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import NamedTuple

COMMIT = "0123456789abcdef0123456789abcdef01234567"
TOKEN = "hf_secret"  # What opens the models of the gated owner.


class Hub(NamedTuple):
    """A running server.

    Attributes:
        home: what `HF_HOME` is set to.
        asked: (method, path, token or "") of every request so far.
    """

    endpoint: str
    home: Path
    asked: list[tuple[str, str, str]]

    def run(self, place: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """`python ARGUMENTS` in a process of its own: the Hub's client reads its environment once, when it is imported."""
        kept = {key: value for key, value in os.environ.items() if not key.lower().endswith("_proxy") and key[:3] != "HF_"}
        return subprocess.run(
            [sys.executable, *arguments],
            cwd=place,
            env={**kept, "HF_ENDPOINT": self.endpoint, "HF_HOME": str(self.home), "OMP_NUM_THREADS": "1", **environment},
            capture_output=True,
            text=True,
            timeout=300,
        )


@contextmanager
def serve(models: Path, home: Path) -> Iterator[Hub]:
    """Serves `models`/owner/name; owner "gated" wants a token, owner "closed" takes none, owner "down" is out of order, owner
    "plain" is answered as any web server would."""
    asked: list[tuple[str, str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_HEAD(self) -> None:
            self._answer(with_body=False)

        def do_GET(self) -> None:
            self._answer(with_body=True)

        def _answer(self, *, with_body: bool) -> None:
            token = self.headers.get("authorization", "").removeprefix("Bearer ")
            asked.append((self.command, self.path, token))
            owner, name, resolve, _revision, *rest = (*self.path.strip("/").split("/"), "", "", "")
            path = models / owner / name / "/".join(part for part in rest if part)
            if owner == "down":
                return self._send(503, b"", with_body)
            if owner == "plain":
                return self._send(200, b"<html>", with_body)
            if owner == "gated" and token != TOKEN:
                return self._send(401, b"", with_body, ("X-Error-Code", "GatedRepo"))
            if owner == "closed":
                return self._send(403, b"", with_body, ("X-Error-Code", "GatedRepo"))
            if resolve != "resolve" or not (models / owner / name).is_dir():
                return self._send(404, b"", with_body, ("X-Error-Code", "RepoNotFound"))
            if not path.is_file():
                return self._send(404, b"", with_body, ("X-Error-Code", "EntryNotFound"), ("X-Repo-Commit", COMMIT))
            content = path.read_bytes()
            etag = hashlib.sha256(content).hexdigest()
            return self._send(200, content, with_body, ("ETag", f'"{etag}"'), ("X-Repo-Commit", COMMIT))

        def _send(self, status: int, content: bytes, with_body: bool, *headers: tuple[str, str]) -> None:
            self.send_response(status)
            for key, value in (*headers, ("Content-Length", str(len(content)))):
                self.send_header(key, value)
            self.end_headers()
            if with_body:
                self.wfile.write(content)

        def log_message(self, format: str, *arguments: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Hub(f"http://127.0.0.1:{server.server_port}", home, asked)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
