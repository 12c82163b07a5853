"""How it was measured: the section of report.md that lets a reader judge, and repeat, the rest."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from evalkit.analysis import JudgeSummary, ModelSummary, RunSummary
from evalkit.report import format as fmt
from evalkit.report.alerts import client_part, quieter
from evalkit.report.imported import imported_fact
from evalkit.report.labels import Labels
from evalkit.report.markup import code, plain
from evalkit.runner.manifest import Manifest, ManifestModel
from evalkit.stats import min_n_for_upper_bound
from evalkit.types import Json

_FINGERPRINT = 12
"""Characters shown of a fingerprint: enough to tell versions of one file apart."""
_VALUE = 100
"""Characters shown of a parameter: a response format can hold a whole JSON Schema."""
_SLOW_LOOP_MS = 100.0
"""An event loop held up this long adds visibly to a latency of a few hundred milliseconds."""

_METHODS = {
    "Tango": "Intervals: Tango's score interval; p: McNemar's mid-p",
    "clustered": "Intervals and p: the clustered standard error of the per-case differences",
}
_LOAD = " Times under load, and in load.csv, count from the moment a call was due and leave out errors alone."


def method_section(run: RunSummary, labels: Labels) -> list[str]:
    """What was asked of whom, when and where, and how the figures are defined."""
    manifest, summaries = run.manifest, run.models
    facts = {
        "Run": _run(manifest),
        "Imported": imported_fact(manifest),
        "Suite": f"{code(manifest.suite.path)}, fingerprint {_short(manifest.suite.fingerprint)}",
        "Cases": _cases(run),
        "Prompts": ", ".join(f"{plain(one.name)} ({_short(one.fingerprint)})" for one in manifest.prompts),
        "Pass rate": _pass_rate(manifest),
        "Differences": _differences(run),
        "Latency": _latency(run),
        "Client": _client(run, labels),
        **_server(summaries, labels),
        "Throttled": _throttled(manifest),
        "Prompt cache": _prompt_cache(summaries, labels),
        "Parameters not sent": _dropped(run, labels),
        "Host": _facts(manifest.host),
        "Versions": _facts(manifest.versions),
        "Git": _git(manifest.git or {}),
    }
    lines = [f"- {name}: {fact}" for name, fact in facts.items() if fact]
    first = 4 if manifest.imported is None else 5
    models = [f"  - {_model(model, _served(model, summaries))}" for model in manifest.models]
    judges = [f"  - {_model(judge, _served(judge, run.judges))}" for judge in manifest.judges]
    listed = ["- Models:", *models, *(["- Judges:", *judges] if judges else [])]
    return ["## How it was measured", "", *lines[:first], *listed, *lines[first:], ""]


def _run(manifest: Manifest) -> str:
    finished = f", finished {plain(manifest.finished_at)}" if manifest.finished_at else ""
    resumed = f", resumed {fmt.counted(len(manifest.resumed_at), 'time')}" if manifest.resumed_at else ""
    judged = f", judged anew {fmt.counted(len(manifest.rescored_at), 'time')}" if manifest.rescored_at else ""
    return (
        f"{code(manifest.run_id)}, started {plain(manifest.created_at)}{resumed}{finished}{judged}, "
        f"with evalkit {plain(manifest.evalkit)}"
    )


def _cases(run: RunSummary) -> str:
    manifest = run.manifest
    chosen = manifest.selection
    asked = f"{fmt.count(run.cases)} of {fmt.count(chosen.cases_in_suite)}"
    trials = f", {fmt.counted(manifest.trials, 'trial')} each" if manifest.trials > 1 else ""
    patterns = f", those that match {', '.join(map(code, chosen.filter))}" if chosen.filter else ""
    drawn = f", a random sample of at most {fmt.count(chosen.limit)} (seed {chosen.seed})" if chosen.limit else ""
    return f"{asked}{trials}{patterns}{drawn}"


def _pass_rate(manifest: Manifest) -> str:
    interval = "Wilson score"
    if manifest.cluster is not None:
        interval += f" on the effective sample size, clustered by {code(manifest.cluster)}, which cases share"
    elif manifest.trials > 1:
        interval += " on the effective sample size, clustered by case"
    threshold = "" if manifest.threshold is None else f" A call passes at a score of {manifest.threshold:g} or more."
    mistakes = "judges' and scorers' mistakes" if manifest.judges else "scorers' mistakes"
    return (
        f"passed / (passed + failed + errors). 95 % intervals: {interval}. They cover the choice of cases, "
        f"not {mistakes} or later changes of a model.{threshold}"
    )


def _differences(run: RunSummary) -> str:
    """How candidates were compared; nothing where they were not."""
    if run.comparisons is None:
        return ""
    methods = {pair.method for pair in run.comparisons.pairs}
    told = [how for method, how in _METHODS.items() if method in methods]
    scores = f" Mean scores: {_METHODS['clustered']}." if run.graded and methods == {"Tango"} else ""
    cluster = run.manifest.cluster
    clustered = f" Cases of the same {code(cluster)} are taken as one source." if cluster is not None else ""
    return (
        f"paired, on the cases that both candidates have results for. {'; '.join(told)}.{scores}{clustered} p-values "
        "are Holm's, over all pairs of candidates and, apart from these, over tags and candidates. The best candidate "
        "is the best by the same cases that it is compared on. What the suite's size can show is for a single "
        "comparison at 0.05, by how much the two best candidates disagree (R. J. Connor 1987)."
    )


def _latency(run: RunSummary) -> str:
    needed = min_n_for_upper_bound(0.99)
    few = any(one.latency.n and one.latency.interval("p99")[1] is None for one in run.models)
    bound = f" p99, in models.csv, takes {needed} answers to be bounded from above: read it as rough." if few else ""
    source = run.manifest.imported
    taken = (
        "from sending the request that succeeded to the last byte of its answer; waiting for a slot, failed tries and "
        "errors are left out."
        if source is None
        else f"as {plain(source.tool)} took it, of answers whose time it tells; errors are left out."
    )
    return (
        f"{taken}{_LOAD if run.manifest.load else ''} "
        "Percentiles interpolate linearly between answers; their 95 % intervals are order statistics"
        f"{', as of as many independent answers as the trials are worth' if run.manifest.trials > 1 else ''}.{bound}"
    )


def _client(run: RunSummary, labels: Labels) -> str:
    """How busy this machine was, and how much of each latency may be its own."""
    parts = "; ".join(part for one in run.models if (part := client_part(one, plain(labels.of(one)))))
    own = f"What this machine may have added to latencies: {parts}." if parts else ""
    return " ".join(filter(None, [_busy(run), own]))


def _busy(run: RunSummary) -> str:
    client = run.manifest.client
    if client is None:
        return ""
    held_up = f"the event loop was held up for at most {fmt.duration(client.loop_lag_ms)} at a time"
    cpu = (
        f"evalkit used {fmt.percent(client.cpu_share_mean)} of a CPU core on average, "
        f"{fmt.percent(client.cpu_share_max)} at most."
    )
    if client.loop_lag_ms < _SLOW_LOOP_MS:
        return f"{held_up}; {cpu}"
    return f"**{held_up}: single latencies may be too long by that much.** {cpu} {quieter(run)}"


def _server(summaries: Sequence[ModelSummary], labels: Labels) -> Mapping[str, str]:
    """What servers say of their own work, a fact for each model that has it."""
    return {
        f"{plain(labels.of(one))}, server's own timing (median)": ", ".join(
            f"{part.replace('_', ' ')} {fmt.duration(ms)}" for part, ms in one.latency.server.items()
        )
        for one in summaries
    }


def _throttled(manifest: Manifest) -> str:
    """Say which servers asked for fewer calls; growth is the normal case and not worth a line."""
    return "; ".join(
        f"{plain(model)} {fmt.counted(len(cuts), 'time')}, down to {fmt.counted(min(cuts), 'call')} in flight"
        for model, changes in manifest.limit_history.items()
        if (cuts := [limit for _, limit, reason in changes if reason.startswith("HTTP")])
    )


def _prompt_cache(summaries: Sequence[ModelSummary], labels: Labels) -> str:
    shares = [
        f"{fmt.percent(one.used.cached_input_share)} of the input tokens of {plain(labels.of(one))}"
        for one in summaries
        if one.used.cached_input_share
    ]
    return f"{', '.join(shares)} came from a warm cache, which flatters latency and cost." if shares else ""


def _dropped(run: RunSummary, labels: Labels) -> str:
    dropped = [(labels.of(one), one.dropped_params) for one in run.models]
    dropped += [(f"{one.model} as a judge", one.dropped_params) for one in run.judges]
    return "; ".join(f"{', '.join(map(code, params))} to {plain(name)}" for name, params in dropped if params)


def _served(model: ManifestModel, summaries: Sequence[ModelSummary | JudgeSummary]) -> tuple[str, ...]:
    """The names under which a model answered, where they differ from the one asked for."""
    names = {name for one in summaries if one.model == model.name for name in one.served_models}
    return tuple(sorted(names - {model.model}))


def _model(model: ManifestModel, served: Sequence[str]) -> str:
    return f"**{plain(model.name)}**: {'; '.join(_model_facts(model, served))}"


def _model_facts(model: ManifestModel, served: Sequence[str]) -> Iterator[str]:
    asked = model.model or model.weights or model.function
    yield plain(model.provider) + (f" {code(asked)}" if asked else "")
    if model.base_url:
        yield f"at {code(model.base_url)}"
    if served:
        yield f"served as {', '.join(map(code, served))}"
    if model.params:
        yield ", ".join(f"{plain(name)} {code(fmt.compact(value), _VALUE)}" for name, value in model.params.items())
    yield _price(model)
    if model.concurrency:
        yield f"at most {fmt.counted(model.concurrency, 'call')} in flight"
    if model.warmup:
        yield f"{fmt.counted(model.warmup, 'warm-up call')} first, not counted"
    if not model.verify:
        yield "TLS certificate not verified"
    if model.context_window:
        yield f"context window {fmt.count(model.context_window)} tokens"
    for name, value in (("data policy", model.data_policy), ("license", model.license), ("region", model.region)):
        if value:
            yield f"{name} {plain(value)}"
    yield from map(plain, model.notes)


def _price(model: ManifestModel) -> str:
    price, gpu = model.price, model.gpu
    if gpu:
        return f"{fmt.counted(gpu.count, 'GPU')} at USD {fmt.usd(gpu.usd_per_hour)} an hour, for the time at work"
    if price is None:
        return "no unit prices"
    dated = f", {plain(price.as_of)}" if price.as_of else ""
    told = f"USD {price.input:,.10g} in, {price.output:,.10g} out per 1M tokens ({code(price.source)}{dated})"
    return f"{told}: {plain(price.note)}" if price.note else told


def _facts(facts: Mapping[str, Json]) -> str:
    return ", ".join(f"{plain(name)} {plain(fmt.compact(value))}" for name, value in facts.items() if value is not None)


def _git(git: Mapping[str, Json]) -> str:
    if "commit" not in git:
        return ""
    return f"commit {_short(str(git['commit']))}{', with uncommitted changes' if git.get('modified') else ''}"


def _short(fingerprint: str) -> str:
    return code(fingerprint[:_FINGERPRINT])
