"""Whether the Python of an assertion can be called by our scorer: read with Python's own parser and never run."""

from __future__ import annotations

import ast
import builtins
import symtable
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from evalkit.imports.promptfoo.context import CannotError

_MAX_CHARS: Final = 200_000
_READING: Final = frozenset({"open", "read_text", "read_bytes", "__file__"})
_LOADING: Final = frozenset({"__import__", "eval", "exec", "compile"})
_LOADERS: Final = frozenset({"importlib", "runpy"})
_OBJECTS: Final = frozenset({"get", "keys", "values", "items"})
_OF_MODULES: Final = frozenset({*dir(builtins), "__name__", "__doc__", "__file__"})
_SCOPES: Final = (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef)


def check_code(text: str, name: str, folder: Path) -> list[str]:
    """See that a function can be called with an answer and a context of its vars alone.

    Args:
        text: of the file that has it.
        name: the function.
        folder: of the file.

    Returns:
        The packages that it needs besides Python's own.

    Raises:
        CannotError: it needs more, or gives nothing; says what.
    """
    tree = _parsed(text)
    found = next((one for one in tree.body if isinstance(one, _SCOPES) and getattr(one, "name", "") == name), None)
    if not isinstance(found, ast.FunctionDef):
        raise CannotError(f"there is no plain function `{name}` in it")
    output, context = _parameters(found)
    _check_return(found)
    _check_words(tree)
    packages = _packages(tree, folder)
    _check_names(tree, text)
    _check_context(found, context)
    _check_output(found, output)
    return packages


def _parsed(text: str) -> ast.Module:
    if len(text) > _MAX_CHARS:
        raise CannotError(f"its Python is longer than {_MAX_CHARS:,} characters")
    try:
        with warnings.catch_warnings(action="ignore"):
            tree = ast.parse(text)
            compile(tree, "assertion", "exec", dont_inherit=True)
            return tree
    except SyntaxError as error:
        raise CannotError(f"its Python cannot be read: {error.msg}") from None
    except (ValueError, RecursionError, MemoryError):
        raise CannotError("its Python cannot be read") from None


def _parameters(function: ast.FunctionDef) -> tuple[str, str]:
    """The names of the answer and the context; a function of more is not called as promptfoo does."""
    given = function.args
    positional = [*given.posonlyargs, *given.args]
    needed = len(positional) - len(given.defaults)
    if len(positional) < 2 or needed > 2 or any(default is None for default in given.kw_defaults):
        raise CannotError(f"`{function.name}` is not called with an output and a context")
    return positional[0].arg, positional[1].arg


def _own(function: ast.AST) -> Iterator[ast.AST]:
    """What a function itself says, without the functions inside of it."""
    for node in ast.iter_child_nodes(function):
        if not isinstance(node, _SCOPES):
            yield node
            yield from _own(node)


def _check_return(function: ast.FunctionDef) -> None:
    said = list(_own(function))
    if any(isinstance(node, (ast.Yield, ast.YieldFrom)) for node in said):
        raise CannotError("it yields instead of returning a verdict")
    if not any(isinstance(node, ast.Return) and node.value is not None for node in said):
        raise CannotError("its Python returns nothing, which fails every answer")


def _check_words(tree: ast.Module) -> None:
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    used = names | {node.attr for node in ast.walk(tree) if isinstance(node, ast.Attribute)}
    if found := sorted(used & _READING):
        raise CannotError(f"its Python reads files (`{found[0]}`), which may not be there")
    if found := sorted(names & _LOADING):
        raise CannotError(f"its Python loads other code (`{found[0]}`)")


def _packages(tree: ast.Module, folder: Path) -> list[str]:
    packages: dict[str, None] = {}
    for node in ast.walk(tree):
        names = [one.name for one in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""] if not node.level else [f".{node.module or ''}"]
        for name in names:
            root = name.partition(".")[0]
            if root in _LOADERS:
                raise CannotError(f"its Python loads other code (`{root}`)")
            if not root or (folder / f"{root}.py").exists() or (folder / root).is_dir():
                raise CannotError(f"its Python imports another file (`{name}`)")
            packages |= {} if root in sys.stdlib_module_names else {root: None}
    return list(packages)


def _check_names(tree: ast.Module, text: str) -> None:
    """See that all names that are used are defined somewhere."""
    if any(isinstance(node, ast.ImportFrom) and node.names[0].name == "*" for node in tree.body):
        return
    with warnings.catch_warnings(action="ignore"):
        module = symtable.symtable(text, "assertion", "exec")
    symbols = [(table, symbol) for table in _tables(module) for symbol in table.get_symbols()]
    known = {
        symbol.get_name()
        for table, symbol in symbols
        if (table is module or symbol.is_declared_global()) and (symbol.is_assigned() or symbol.is_imported())
    }
    for table, symbol in symbols:
        name = symbol.get_name()
        outside = table is module or symbol.is_global()
        if outside and symbol.is_referenced() and name not in known and name not in _OF_MODULES:
            raise CannotError(f"its Python uses `{name}`, which it does not define")


def _tables(table: symtable.SymbolTable) -> Iterator[symtable.SymbolTable]:
    yield table
    for inner in table.get_children():
        yield from _tables(inner)


def _check_context(function: ast.FunctionDef, context: str) -> None:
    """See that of the context only what is known here is used: the vars, and the assertion's config."""
    parents = {inner: node for node in ast.walk(function) for inner in ast.iter_child_nodes(node)}
    for node in ast.walk(function):
        if isinstance(node, ast.Name) and node.id == context:
            keys = _keys(node, parents)
            if not keys:
                raise CannotError(f"its Python uses `{context}` as a whole, of which only the vars are known here")
            if keys[0] not in ("vars", "config") and keys[:2] != ["test", "vars"]:
                shown = "".join(f"[{key!r}]" for key in keys[:2])
                raise CannotError(f"its Python uses {context}{shown}, which is not known here")


def _keys(node: ast.AST, parents: dict[ast.AST, ast.AST]) -> list[str]:
    """The keys by which a value is gone into, with `[...]` or `.get(...)`."""
    keys: list[str] = []
    while True:
        match parents.get(node):
            case ast.Subscript(value, ast.Constant(str() as key)) as part if value is node:
                node = part
            case ast.Attribute(_, "get") as method:
                match parents.get(method):
                    case ast.Call(function, [ast.Constant(str() as key), *_]) as call if function is method:
                        node = call
                    case _:
                        return keys
            case _:
                return keys
        keys.append(key)


def _check_output(function: ast.FunctionDef, output: str) -> None:
    """See that the answer is taken for a text, unless the function looks what it is, or makes something else of it."""
    nodes = list(ast.walk(function))
    for node in nodes:
        match node:
            case ast.Call(ast.Name("isinstance" | "type"), [ast.Name(name), *_]) if name == output:
                return
            case ast.Name(name, ast.Store()) if name == output:
                return
    for node in nodes:
        match node:
            case ast.Subscript(ast.Name(name), ast.Constant(str())) if name == output:
                pass
            case ast.Attribute(ast.Name(name), key) if name == output and key in _OBJECTS:
                pass
            case _:
                continue
        raise CannotError(f"its Python takes `{output}` for an object, and here it is a text: use json.loads({output})")
