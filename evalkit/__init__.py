"""Run your own cases over every candidate model, and trust the numbers.

From Python: `evalkit.run`, `load_suite`, `load_run`, `compare` and `export`; see `evalkit.api`. They are imported when
they are first used. `__init__.pyi` tells type checkers what they are.
"""

__version__ = "0.1.0"

_PLACES = {
    "evalkit.api": ("Comparison", "Run", "Step", "compare", "export", "load_run", "load_suite", "run"),
    "evalkit.errors": ("ConfigError", "EvalkitError", "NothingRanError"),
    "evalkit.types": ("Case", "Suite"),
}

__all__ = ["__version__", *(name for names in _PLACES.values() for name in names)]  # noqa: PLE0604 - all are texts


def __getattr__(name: str) -> object:
    place = next((module for module, names in _PLACES.items() if name in names), None)
    if place is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = globals()[name] = getattr(import_module(place), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
