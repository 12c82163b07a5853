"""The messages of a case as a page tells them: those that the run sent."""

import dataclasses

from runs import job_of, manifest_of

from evalkit.report.html.messages import Sent
from evalkit.runner.manifest import read_manifest, write_manifest
from evalkit.suite.render import Renderer
from evalkit.types import Case, Prompt, PromptPart, PromptTurn

TURNS = (
    PromptTurn("system", "{% for rule in rules %}{{ loop.index }}. {{ rule }}\n{% endfor %}"),
    PromptTurn(None, insert="shots"),
    PromptTurn("assistant", "{{ n | upper }} {{ '{{' }} {{ doc }}"),
    PromptTurn("user", parts=(PromptPart("text", "Look at {{ n }}:"), PromptPart("image", "pictures/{{ n }}.png"))),
)
VARS = {"rules": ["Be brief.", "Be <b>kind</b>."], "shots": [{"user": "hi"}, {"assistant": "hello {{ n }}"}], "n": "no"}
CASE = Case("c", {"n": "yes", "doc": {"a": [1, None]}}, "x")


def test_they_are_those_that_the_run_sent(tmp_path):
    prompt = Prompt("p", TURNS, "f" * 64)
    job = job_of(["m"], [CASE])
    job = dataclasses.replace(job, suite=dataclasses.replace(job.suite, vars=VARS), prompts=(prompt,))
    write_manifest(tmp_path, manifest_of(job))
    told = Sent(read_manifest(tmp_path)).messages(CASE)["p"]
    sent = Renderer(prompt, VARS).sketch(CASE)
    assert told[:-1] == [(one.role, one.content) for one in sent[:-1]]
    assert told[-1] == ("user", "Look at yes:\n[image: pictures/yes.png]")
    assert len(told) == 5
