"""Run your own cases over every candidate model, and trust the numbers.

From Python: `evalkit.run`, `load_suite`, `load_run`, `compare` and `export`; see `evalkit.api`. They are imported when
they are first used. `__init__.pyi` tells type checkers what they are.
"""

__version__ = "0.1.0"

_PLACES = {
    "Case": "evalkit.types:Case",
    "Comparison": "evalkit.analysis.compare.compared:RunComparison",
    "ConfigError": "evalkit.errors:ConfigError",
    "Decision": "evalkit.analysis.decide.decision:Decision",
    "EvalkitError": "evalkit.errors:EvalkitError",
    "Exported": "evalkit.exports.export:Exported",
    "GateResult": "evalkit.analysis.gate.result:GateResult",
    "NothingRanError": "evalkit.errors:NothingRanError",
    "Run": "evalkit.api:Run",
    "RunSummary": "evalkit.analysis:RunSummary",
    "Step": "evalkit.api:Step",
    "Suite": "evalkit.types:Suite",
    "compare": "evalkit.api:compare",
    "export": "evalkit.api:export",
    "load_run": "evalkit.api:load_run",
    "load_suite": "evalkit.api:load_suite",
    "run": "evalkit.api:run",
}

__all__ = ["__version__", *_PLACES]  # noqa: PLE0604 - all are texts


def __getattr__(name: str) -> object:
    place = _PLACES.get(name)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    module, _, attribute = place.partition(":")
    value = globals()[name] = getattr(import_module(module), attribute)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
