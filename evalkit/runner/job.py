"""A job: what a run will ask, decided before the first call."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from evalkit.errors import CallError, ErrorKind
from evalkit.models.hosts import may_reach
from evalkit.models.params import effective_params
from evalkit.models.prices import STALE_AFTER_DAYS, cost_usd, is_stale, thinks
from evalkit.runner.manifest import Manifest, ManifestModel, ManifestPrompt, ManifestSuite, Selection
from evalkit.runner.plan import model_fingerprint, select_cases
from evalkit.runner.retry import input_tokens
from evalkit.suite.render import Renderer
from evalkit.types import Call, Case, Image, Message, Model, Prompt, PromptTurn, Request, Suite, Usage

_STALE: Final = f"its price was read more than {STALE_AFTER_DAYS} days ago: look it up anew"
LOCAL: Final = "local"
"""The data policy of cases that may go to this machine and to allowed hosts only."""


@dataclass(frozen=True, slots=True)
class Job:
    """A suite, the candidates with their parameters in force, the prompts and the cases chosen for this run.

    `judges` are the models that its scorers ask, as their rows describe them.
    """

    suite: Suite
    models: tuple[Model, ...]
    prompts: tuple[Prompt, ...]
    cases: Sequence[Case]
    selection: Selection
    trials: int
    judges: tuple[Model, ...] = ()

    def requests(self) -> Callable[[Call, Case], Request]:
        """Return what turns a call of this job and its case into a provider's request."""
        params = {model.name: model.params for model in self.models}
        renderers = {prompt.name: Renderer(prompt, self.suite.vars) for prompt in self.prompts}

        def request(call: Call, case: Case) -> Request:
            """Raises ConfigError where a picture has changed, CallError where it must not be fetched."""
            messages = renderers[call.prompt].messages(case)
            hosts = self.suite.allow_hosts if is_confined(self.suite, case) else None
            if hosts is not None:
                _check_pictures(messages, hosts)
            return Request(messages, params[call.model], case.vars, self.suite.tools, self.suite.tool_choice, hosts)

        return request


def _check_pictures(messages: Iterable[Message], hosts: Sequence[str]) -> None:
    """Keep a server from fetching a picture of a local case from elsewhere."""
    parts = [part for message in messages for part in message.content if isinstance(part, Image)]
    for image in parts:
        if image.url and not may_reach(image.url, hosts):
            message = f"the data policy is local, and the picture {image.url} is not on an allowed host"
            raise CallError(ErrorKind.POLICY, message)


def is_confined(suite: Suite, case: Case) -> bool:
    """Whether a case must not leave this machine and the suite's allowed hosts."""
    return LOCAL in (suite.data_policy, case.data_policy)


def make_job(
    suite: Suite,
    models: Sequence[Model],
    prompts: Sequence[Prompt],
    *,
    patterns: Sequence[str] = (),
    limit: int | None = None,
    seed: int = 0,
    trials: int | None = None,
    judges: Sequence[Model] = (),
) -> Job:
    """Choose cases and settle parameters.

    Raises:
        ConfigError: a model's parameters do not fit the suite.
    """
    selection = Selection(len(suite.cases), tuple(patterns), limit, seed)
    cases = select_cases(suite.cases, patterns, limit, seed)
    settled = tuple(effective_params(model, suite.params, suite.output_schema) for model in models)
    return Job(suite, settled, tuple(prompts), cases, selection, trials or suite.trials, tuple(judges))


def describe(job: Job, *, run_id: str, created_at: str, evalkit: str, concurrency: dict[str, int]) -> Manifest:
    """Describe a job as its run folder's manifest; versions, host and git are added by the caller."""
    suite = job.suite
    return Manifest(
        run_id=run_id,
        created_at=created_at,
        evalkit=evalkit,
        suite=ManifestSuite(suite.name, suite.path, suite.description, suite.fingerprint),
        models=describe_models(job.models, concurrency),
        prompts=tuple(describe_prompt(prompt) for prompt in job.prompts),
        selection=job.selection,
        trials=job.trials,
        threshold=suite.threshold,
        cluster=suite.cluster,
        gate=suite.gate,
        decide=suite.decide,
        vars=suite.vars,
        judges=describe_models(job.judges, concurrency),
    )


def describe_prompt(prompt: Prompt) -> ManifestPrompt:
    """Describe a prompt as a manifest does."""
    return ManifestPrompt(prompt.name, prompt.fingerprint, template=tuple(map(_message_text, prompt.turns)))


def _message_text(turn: PromptTurn) -> tuple[str, str]:
    """A message's role and template; a list of messages stands as the var it comes from, a picture as its place."""
    if turn.insert is not None:
        return "messages", turn.insert
    parts = [part.template if part.kind == "text" else f"[image: {part.template}]" for part in turn.parts]
    return turn.role or "", "\n".join(parts) if parts else turn.template


def describe_models(models: Iterable[Model], concurrency: Mapping[str, int]) -> tuple[ManifestModel, ...]:
    """Describe models as a manifest does; `concurrency` tells how many calls each may have in flight."""
    return tuple(_describe_model(model, concurrency[model.name]) for model in models)


def _describe_model(model: Model, concurrency: int) -> ManifestModel:
    return ManifestModel(
        name=model.name,
        provider=model.provider,
        fingerprint=model_fingerprint(model),
        model=model.model,
        base_url=model.base_url,
        weights=model.weights,
        function=model.function,
        params=model.params,
        price=model.price,
        gpu=model.gpu,
        concurrency=concurrency,
        warmup=model.warmup,
        verify=model.verify,
        data_policy=model.data_policy,
        license=model.license,
        region=model.region,
        context_window=model.context_window,
        notes=(_STALE,) if model.price and is_stale(model.price, dt.datetime.now(dt.UTC).date()) else (),
    )


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one model will roughly be asked and cost. `output_tokens` is the limit, None where there is none."""

    model: str
    calls: int
    input_tokens: int
    output_tokens: int | None
    cost_usd: float | None


def estimate(job: Job) -> list[Estimate]:
    """Estimate calls, tokens and the highest cost per model, without asking anyone.

    The turns of a conversation count as often as they are asked; what the model will have said before does not.
    """
    renderers = [Renderer(prompt, job.suite.vars) for prompt in job.prompts]
    calls = len(job.cases) * len(job.prompts) * job.trials
    tokens = asked = 0
    for case in job.cases:
        turns = [input_tokens([Message("user", turn.user)]) for turn in case.turns]
        later = sum(sum(turns[: number + 1]) for number in range(len(turns)))
        for renderer in renderers:
            asked += job.trials * (1 + len(turns))
            tokens += job.trials * (input_tokens(renderer.sketch(case)) * (1 + len(turns)) + later)
    return [_estimate(model, calls, tokens, asked) for model in job.models]


def _estimate(model: Model, calls: int, tokens: int, asked: int) -> Estimate:
    limit = model.params.get("max_tokens")
    each = Usage(input=round(tokens / asked) if asked else 0, output=limit)  # one reply's, as prices may have tiers
    cost = cost_usd(each, model.price, thinking=thinks(model.params))
    output = None if limit is None else limit * asked
    return Estimate(model.name, calls, tokens, output, None if cost is None else cost * asked)
