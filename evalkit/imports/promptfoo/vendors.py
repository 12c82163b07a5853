"""promptfoo's names of providers, and ours."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from evalkit.types import Json


@dataclass(frozen=True, slots=True)
class Vendor:
    """How the part after a vendor's name is read.

    `kinds` are the words that may stand before the model's id; `embeddings` those that mean embeddings; `strange` those
    of another protocol, each with what becomes of it: None where nothing does.
    """

    provider: str
    kinds: frozenset[str] = frozenset({"chat", "messages", "responses"})
    embeddings: frozenset[str] = frozenset({"embedding", "embeddings"})
    strange: Mapping[str, str | None] = field(default_factory=dict)
    row: Mapping[str, Json] | None = None
    remark: str = ""


_NOTHING: Final = {"completion": None, "assistant": None, "image": None, "moderation": None, "realtime": None}
_OPENAI: Final = {
    **_NOTHING,
    "video": None,
    "speech": None,
    "transcription": None,
    "agents": None,
    "codex-sdk": None,
    "codex": None,
    "chatkit": None,
}
_LIVE: Final = "Google's Live API is not spoken: the model is asked by generateContent"
_VERTEX: Final = "Vertex AI becomes the Gemini API, with its own key (GEMINI_API_KEY)"


def _compatible(base_url: str, key: str, **more: Json) -> Mapping[str, Json]:
    return {"base_url": base_url, "api_key_env": key, **more}


VENDORS: Final[Mapping[str, Vendor]] = {
    "openai": Vendor("openai", strange=_OPENAI),
    "azure": Vendor("azure", strange=_OPENAI),
    "azureopenai": Vendor("azure", strange=_OPENAI),
    "anthropic": Vendor("anthropic", strange={"completion": None, "claude-agent-sdk": None, "claude-code": None}),
    "google": Vendor("gemini", strange={"live": _LIVE, "image": None, "video": None, "imagen": None}),
    "vertex": Vendor("gemini", remark=_VERTEX, strange={"claude": None}),
    "mistral": Vendor("mistral", strange=_NOTHING),
    "groq": Vendor("groq", strange=_NOTHING),
    "deepseek": Vendor("deepseek", strange=_NOTHING),
    "openrouter": Vendor("openrouter", strange=_NOTHING),
    "togetherai": Vendor("together", strange=_NOTHING),
    "together": Vendor("together", strange=_NOTHING),
    "fireworks": Vendor("fireworks", strange=_NOTHING),
    "cohere": Vendor("cohere", strange=_NOTHING),
    "ollama": Vendor("ollama", kinds=frozenset({"chat", "completion"})),
    "replicate": Vendor("replicate", strange={"image": None, "moderation": None}),
    "bedrock": Vendor(
        "bedrock",
        kinds=frozenset({"converse", "completion"}),
        strange={"nova-sonic": None, "kb": None, "agents": None, "inference-profile": None, "image": None},
    ),
    "alibaba": Vendor("dashscope", strange=_NOTHING),
    "dashscope": Vendor("dashscope", strange=_NOTHING),
    "localai": Vendor("vllm", kinds=frozenset({"chat", "completion"}), row={"base_url": "http://127.0.0.1:8080/v1"}),
    "llamafile": Vendor("llamacpp"),
    "huggingface": Vendor(
        "openai",
        kinds=frozenset({"chat"}),
        strange={
            "text-generation": None,
            "text-classification": None,
            "token-classification": None,
            "feature-extraction": None,
            "sentence-similarity": None,
        },
        row=_compatible("https://router.huggingface.co/v1", "HF_TOKEN"),
    ),
    "xai": Vendor("openai", strange=_NOTHING, row=_compatible("https://api.x.ai/v1", "XAI_API_KEY")),
    "cerebras": Vendor("openai", row=_compatible("https://api.cerebras.ai/v1", "CEREBRAS_API_KEY")),
    "perplexity": Vendor("openai", row=_compatible("https://api.perplexity.ai", "PERPLEXITY_API_KEY")),
    "hyperbolic": Vendor(
        "openai", strange=_NOTHING, row=_compatible("https://api.hyperbolic.xyz/v1", "HYPERBOLIC_API_KEY")
    ),
    "nvidia": Vendor("openai", row=_compatible("https://integrate.api.nvidia.com/v1", "NVIDIA_API_KEY")),
    "moonshot": Vendor("openai", row=_compatible("https://api.moonshot.ai/v1", "MOONSHOT_API_KEY")),
    "github": Vendor("openai", row=_compatible("https://models.github.ai/inference", "GITHUB_TOKEN")),
    "voyage": Vendor(
        "openai",
        kinds=frozenset(),
        embeddings=frozenset(),
        row=_compatible("https://api.voyageai.com/v1", "VOYAGE_API_KEY"),
    ),
}

ECHO: Final = frozenset({"echo", "promptfoo:echo"})

REMEDIES: Final[Mapping[str, str]] = {
    "file": "wrap it as a function of the messages: `provider: python, function: file.py:name`",
    "python": "wrap it as a function of the messages: `provider: python, function: file.py:name`",
    "exec": "have it read a request as JSON from its standard input: `provider: command, command: [...]`",
    "golang": "have it read a request as JSON from its standard input: `provider: command, command: [...]`",
    "http": "name it with `base_url` if it speaks OpenAI's protocol, else wrap it as `provider: python`",
    "https": "name it with `base_url` if it speaks OpenAI's protocol, else wrap it as `provider: python`",
    "websocket": "wrap it as a function of the messages: `provider: python, function: file.py:name`",
}
OTHERWISE: Final = "add a row to models.yaml: a provider that evalkit knows, or `provider: python` with a function"
