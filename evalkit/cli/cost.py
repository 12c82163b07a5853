"""`evalkit cost`: what candidates cost at the volume of production."""

from __future__ import annotations

from pathlib import Path

from evalkit.cli import cost_options as options


def cost(
    run: options.Run = None,
    requests_per_day: options.RequestsPerDay = None,
    tokens_per_day: options.TokensPerDay = None,
    tokens_per_month: options.TokensPerMonth = None,
    mix: options.Mix = None,
    trace: options.TraceFile = None,
    peak_window: options.PeakWindow = None,
    peak_factor: options.PeakFactor = None,
    utilisation: options.Utilisation = 0.7,
    price: options.Prices = None,
    lease: options.Lease = None,
    gpu_usd_per_hour: options.GpuHour = None,
    gpus: options.Gpus = None,
    serve: options.Serve = None,
    throughput: options.Throughputs = None,
    as_json: options.AsJson = False,
    out: options.OutFile = None,
    results: options.Results = Path("results"),
) -> None:
    """Project what candidates cost a month, and where servers of your own break even with an API.

    Tokens are those measured in a run, or a --mix, or a --trace. A model whose row says `gpu:` is paid by the hour,
    around the clock, for as many servers as the peak needs. Nobody is asked, and the run stays as it is.

    Without a run: evalkit cost --price 2.50/10 --mix 1:2 --tokens-per-month 10M --lease 5000
    """
    from evalkit.analysis.compare.side import resolve_run
    from evalkit.analysis.cost.outlook import outlook
    from evalkit.cli.cost_assemble import Hosting, Volume, traffic_of, uses_of
    from evalkit.cli.sheet_screen import show
    from evalkit.report.cost import cost_sheets
    from evalkit.report.cost_json import cost_json

    traffic, kind = traffic_of(
        Volume(requests_per_day, tokens_per_day, tokens_per_month, mix, trace, peak_window, peak_factor, utilisation)
    )
    folder = None if run is None else resolve_run(run, results)
    uses = uses_of(folder, Hosting(price or (), lease, gpu_usd_per_hour, gpus, serve, throughput or ()), kind)
    found = outlook(uses, traffic, kind)
    show("Cost at scale", cost_sheets(found), cost_json(found), out, as_json=as_json)
