"""`evalkit run`: ask every candidate every case, and report."""

from __future__ import annotations

from pathlib import Path

import typer

from evalkit.cli import options


def run(
    suite: options.Suite,
    model: options.ModelNames = None,
    prompt: options.PromptNames = None,
    models: options.ModelsFile = None,
    case_filter: options.CaseFilter = None,
    limit: options.Limit = None,
    seed: options.Seed = None,
    trials: options.Trials = None,
    concurrency: options.Concurrency = None,
    warmup: options.Warmup = None,
    max_cost: options.MaxCost = None,
    max_time: options.MaxTime = None,
    max_errors: options.MaxErrors = None,
    rate: options.Rate = None,
    arrivals: options.Arrivals = None,
    race: options.Race = None,
    keep: options.RaceKeep = None,
    margin: options.RaceMargin = None,
    race_by: options.RaceBy = None,
    out: options.Out = Path("results"),
    no_stream: options.NoStream = False,
    prices: options.PriceFile = None,
    resume: options.Resume = None,
    accept_changes: options.AcceptChanges = False,
    keep_going: options.KeepGoing = False,
    dry_run: options.DryRun = False,
    gate: options.Gate = False,
    baseline: options.RunBaseline = None,
    allow_code: options.AllowCode = False,
    executor: options.RunExecutor = options.Executor.LOCAL,
    ray_address: options.RayAddress = None,
    ray_workers: options.RayWorkers = None,
    ray_storage: options.RayStorage = None,
    quiet: options.Quiet = False,
    as_json: options.RunJson = False,
) -> None:
    """Ask every model every case, score the answers, and write the report.

    Writes report.md, report.html, report.json, junit.xml and tables (models.csv, scorers.csv, cases.csv; labels.csv
    where labels are judged, load.csv with --rate) to results/SUITE/RUN-ID. Ctrl-C finishes the calls in flight and
    keeps everything; --resume goes on.
    """
    from evalkit.cli.assemble import Choice, assemble
    from evalkit.cli.conduct import conduct
    from evalkit.cli.racing import RaceChoice
    from evalkit.cli.screen import print_plan
    from evalkit.cli.voice import Voice
    from evalkit.cluster.executor import RayCluster
    from evalkit.runner.budget import Ceilings

    on_ray = executor is options.Executor.RAY
    if not on_ray and (ray_address or ray_workers or ray_storage):
        raise typer.BadParameter("--ray-address, --ray-workers and --ray-storage go with --executor ray")
    choice = Choice(
        suite=suite,
        models_file=models,
        models=tuple(model or ()),
        prompts=tuple(prompt or ()),
        patterns=tuple(case_filter or ()),
        limit=limit,
        seed=seed,
        trials=trials,
        concurrency=concurrency,
        warmup=warmup,
        ceilings=Ceilings(max_cost, max_time, max_errors),
        rate_per_s=rate,
        arrivals=arrivals.value if arrivals else None,
        race=RaceChoice(race, keep, margin, race_by.value if race_by else None),
        stream=not no_stream,
        price_file=prices,
        out=out,
        resume=resume,
        accept_changes=accept_changes,
        keep_going=keep_going,
        dry_run=dry_run,
        allow_code=allow_code,
        cluster=RayCluster(ray_address, ray_workers, ray_storage) if on_ray else None,
        voice=Voice(quiet, figures=as_json and not gate, aside=as_json),
    )
    if as_json and dry_run:
        raise typer.BadParameter("--json goes with a run, not with --dry-run")
    if baseline and not gate:
        raise typer.BadParameter("--baseline goes with --gate")
    assembly = assemble(choice)
    if gate:
        from evalkit.cli.gating import Given, ready, run_with_gate

        plan = ready(assembly, Given(baseline))
        if not dry_run:
            raise typer.Exit(run_with_gate(choice, assembly, plan))
    raise typer.Exit(print_plan(assembly) if dry_run else conduct(assembly).code)
