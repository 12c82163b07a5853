"""A server on loopback that speaks chat completions as a test tells it to."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Reply:
    """What the server sends: a status, headers, and a body (an object is sent as JSON, bytes as they are)."""

    body: Any
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)


def completion(text: str, **extra: Any) -> dict[str, Any]:
    """Build a chat completion as OpenAI sends it."""
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": "served-model",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text, "refusal": None}}
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        **extra,
    }


def streamed(reply: Reply, *, usage: bool) -> Reply:
    """Turn a chat completion into the stream that OpenAI sends for it."""
    whole = reply.body
    (choice,) = whole["choices"]
    base = {"id": whole["id"], "object": "chat.completion.chunk", "created": 1, "model": whole["model"]}
    text = choice["message"]["content"] or ""
    pieces = [text[at : at + 4] for at in range(0, len(text), 4)]
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": None}, *({"content": piece} for piece in pieces)]
    chunks = [base | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]} for delta in deltas]
    chunks.append(base | {"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]})
    if usage:
        chunks.append(base | {"choices": [], "usage": whole["usage"]})
    body = "".join(f"data: {json.dumps(chunk)}\n\n" for chunk in chunks) + "data: [DONE]\n\n"
    return Reply(body.encode(), headers={**reply.headers, "content-type": "text/event-stream"})


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 512

    def handle_error(self, *_: object) -> None:
        """Say nothing: a client that is killed by a test hangs up in the middle."""


class ChatServer:
    """An OpenAI-compatible server on loopback. `answer` turns a request into a Reply; `requests` keeps them all."""

    def __init__(self) -> None:
        self.answer: Callable[[dict[str, Any]], Reply] = lambda body: Reply(completion(last_user(body)))
        self.models: Reply = Reply({}, status=404)
        self.requests: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), self._handler())
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self._thread.start()

    @property
    def url(self) -> str:
        """The base URL, ending in /v1."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    @property
    def calls(self) -> int:
        """How many completions were asked for."""
        return len(self.requests)

    def close(self) -> None:
        """Stop serving."""
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        owner = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self) -> None:
                self._send(owner.models)

            def do_POST(self) -> None:
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                with owner._lock:
                    owner.requests.append(body)
                    owner.headers.append({name.lower(): value for name, value in self.headers.items()})
                reply = owner.answer(body)
                if (
                    body.get("stream")
                    and reply.status == 200
                    and isinstance(reply.body, dict)
                    and "choices" in reply.body
                ):
                    reply = streamed(reply, usage=bool(body.get("stream_options", {}).get("include_usage")))
                self._send(reply)

            def _send(self, reply: Reply) -> None:
                content = reply.body if isinstance(reply.body, bytes) else json.dumps(reply.body).encode()
                self.send_response(reply.status)
                for name, value in {"content-type": "application/json", **reply.headers}.items():
                    self.send_header(name, value)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, *_: object) -> None:
                pass

        return Handler


def last_user(body: dict[str, Any]) -> str:
    """Return the last user message of a request."""
    return str(body["messages"][-1]["content"])
