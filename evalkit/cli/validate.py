"""`evalkit validate`: find every problem of a suite without asking anyone."""

from __future__ import annotations

from evalkit.cli import options


def validate(
    suite: options.Suite,
    model: options.ModelNames = None,
    prompt: options.PromptNames = None,
    models: options.ModelsFile = None,
    allow_code: options.AllowCode = False,
) -> None:
    """Report every problem of a suite and its models at once, or count its cases, scorers and calls."""
    from evalkit.cli.assemble import Choice, assemble
    from evalkit.cli.screen import print_counts

    choice = Choice(
        suite=suite,
        models_file=models,
        models=tuple(model or ()),
        prompts=tuple(prompt or ()),
        allow_code=allow_code,
    )
    print_counts(assemble(choice))
