"""What a server refuses to take is left out, and told; what matters is not left out."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from chat_server import ChatServer, Reply, completion

from evalkit.errors import CallError
from evalkit.providers.build import Providers
from evalkit.types import Completion, Message, Model, Request

PARAMS = {"temperature": 0, "max_tokens": 5, "seed": 1, "top_p": 0.5}


def asked(server: ChatServer, times: int = 1, **changes: Any) -> list[Completion]:
    """Ask a model some times, one after the other."""
    model = Model("m", "openai", "openai", model="x", base_url=server.url, self_hosted=True, **changes)
    request = Request((Message("user", "hi"),), PARAMS)

    async def main() -> list[Completion]:
        async with Providers([model]) as providers:
            provider = providers.by_model["m"]
            await provider.start()
            return [await provider.complete(request) for _ in range(times)]

    return asyncio.run(main())


def refusing(*params: str, message: str = "Unsupported parameter: '{}' is not supported with this model.") -> Any:
    """Answer 400 as long as one of these parameters is sent."""

    def answer(body: dict[str, Any]) -> Reply:
        for name in params:
            if name in body:
                return Reply({"error": {"message": message.format(name), "param": name, "code": "x"}}, status=400)
        return Reply(completion("ok"))

    return answer


def test_a_refused_parameter_is_left_out_from_then_on_and_told(chat_server: ChatServer) -> None:
    chat_server.answer = refusing("temperature", "top_p")
    answers = asked(chat_server, times=3)
    assert [answer.dropped_params for answer in answers] == [("temperature", "top_p")] * 3
    assert chat_server.calls == 3 + 2
    assert chat_server.requests[-1]["seed"] == 1


def test_a_message_alone_may_name_the_parameter(chat_server: ChatServer) -> None:
    text = "`temperature` is deprecated for this model."

    def answer(body: dict[str, Any]) -> Reply:
        return Reply({"error": {"message": text}}, status=400) if "temperature" in body else Reply(completion("ok"))

    chat_server.answer = answer
    assert asked(chat_server)[0].dropped_params == ("temperature",)


def test_the_token_limit_is_renamed_not_dropped(chat_server: ChatServer) -> None:
    chat_server.answer = refusing("max_tokens", message="'{}' is not supported. Use 'max_completion_tokens' instead.")
    (answer,) = asked(chat_server)
    assert answer.dropped_params == ()
    assert chat_server.requests[-1]["max_completion_tokens"] == 5


def test_a_server_that_cannot_count_streams_is_not_asked_to(chat_server: ChatServer) -> None:
    chat_server.answer = refusing("stream_options")
    (answer,) = asked(chat_server, stream=True)
    assert (answer.output, answer.dropped_params, answer.usage.input) == ("ok", (), None)


@pytest.mark.parametrize("message", ["the prompt is too long", "messages: at least one is required"])
def test_any_other_refusal_is_an_error(chat_server: ChatServer, message: str) -> None:
    chat_server.answer = lambda _: Reply({"error": {"message": message}}, status=400)
    with pytest.raises(CallError, match=message):
        asked(chat_server)
    assert chat_server.calls == 1


def test_a_server_that_refuses_what_was_not_sent_is_not_asked_for_ever(chat_server: ChatServer) -> None:
    refusal = {"error": {"message": "'max_tokens' is unknown. Use 'max_completion_tokens'.", "param": "max_tokens"}}
    chat_server.answer = lambda _: Reply(refusal, status=400)
    with pytest.raises(CallError):
        asked(chat_server)
    assert chat_server.calls == 2


def test_a_schema_is_never_left_out(chat_server: ChatServer) -> None:
    chat_server.answer = lambda _: Reply(
        {"error": {"message": "no 'response_format' here", "param": "response_format"}}, status=400
    )
    with pytest.raises(CallError, match="response_format"):
        asked(chat_server)
