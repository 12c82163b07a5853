"""A parser for the JavaScript of assertions: one expression, or a few `const` lines and a `return`."""

from __future__ import annotations

from typing import Final

from evalkit.imports.promptfoo.scripts.lexer import Kind, Token, template_parts, tokens
from evalkit.imports.promptfoo.scripts.tree import (
    Arrow,
    Binary,
    Call,
    Choice,
    Expression,
    Fields,
    Items,
    Joined,
    Literal,
    Member,
    Name,
    NotMechanicalError,
    Pattern,
    Unary,
    Undefined,
    with_names,
)

_MAX_DEPTH: Final = 60
_LEVELS: Final = (
    ("||", "??"),
    ("&&",),
    ("===", "!==", "==", "!="),
    ("<", ">", "<=", ">=", "in"),
    ("+", "-"),
    ("*", "/", "%"),
)
_CONSTANTS: Final[dict[str, Expression]] = {
    "true": Literal(value=True),
    "false": Literal(value=False),
    "null": Literal(None),
    "undefined": Undefined(),
}
_KEYWORDS: Final = frozenset(
    {"function", "new", "await", "async", "for", "while", "if", "switch", "try", "throw", "delete", "void", "class"}
)


def parse_javascript(text: str) -> Expression:
    """Read a script as the one expression that it returns.

    Raises:
        NotMechanicalError: it is more than that.
    """
    lines = "\n" in text.strip()
    parser = _Parser(tokens(text.strip()))
    return parser.script(needs_return=lines)


class _Parser:
    """Recursive descent, with a bound to its depth."""

    def __init__(self, found: list[Token]) -> None:
        self._tokens = found
        self._at = 0
        self._depth = 0

    def script(self, *, needs_return: bool) -> Expression:
        """Declarations, each put in the place of its name, then what is returned."""
        meant: dict[str, Expression] = {}
        while self._skip_ends() and self._peek().text in ("const", "let", "var") and self._peek().kind == "word":
            name, value = self._declaration()
            meant[name] = with_names(value, meant)
        returns = self._take("word", "return")
        if needs_return and not returns:
            raise NotMechanicalError("several lines without a single `return`")
        value = with_names(self._expression(), meant)
        self._skip_ends()
        if self._peek().kind != "end":
            raise NotMechanicalError(f"{self._peek().text!r} is not understood")
        return value

    def _declaration(self) -> tuple[str, Expression]:
        self._at += 1
        name = self._expect("word").text
        self._expect("sign", "=")
        return name, self._expression()

    def _skip_ends(self) -> bool:
        while self._peek(lines=True).kind == "line" or self._peek().text == ";":
            self._at += 1
        return True

    def _peek(self, *, lines: bool = False) -> Token:
        """Look at the next token. Line ends count nowhere but between statements."""
        at = self._at
        while not lines and self._tokens[at].kind == "line":
            at += 1
        if not lines:
            self._at = at
        return self._tokens[at]

    def _take(self, kind: Kind, text: str) -> bool:
        found = self._peek()
        if found.kind == kind and found.text == text:
            self._at += 1
            return True
        return False

    def _expect(self, kind: Kind, text: str | None = None) -> Token:
        found = self._peek()
        if found.kind != kind or (text is not None and found.text != text):
            raise NotMechanicalError(f"{found.text or 'its end'!r} is not understood")
        self._at += 1
        return found

    def _expression(self) -> Expression:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotMechanicalError("it is nested too deeply")
        found = self._arrow() or self._choice()
        self._depth -= 1
        return found

    def _arrow(self) -> Expression | None:
        start = self._at
        bracketed = self._take("sign", "(")
        if self._peek().kind == "word":
            name = self._expect("word").text
            if (not bracketed or self._take("sign", ")")) and self._take("sign", "=>"):
                return Arrow(name, self._expression())
        self._at = start
        return None

    def _choice(self) -> Expression:
        condition = self._binary(0)
        if not self._take("sign", "?"):
            return condition
        then = self._expression()
        self._expect("sign", ":")
        return Choice(condition, then, self._expression())

    def _binary(self, level: int) -> Expression:
        if level == len(_LEVELS):
            return self._unary()
        left = self._binary(level + 1)
        while self._peek().kind in ("sign", "word") and self._peek().text in _LEVELS[level]:
            operator = self._expect(self._peek().kind).text
            left = Binary(operator, left, self._binary(level + 1))
        return left

    def _unary(self) -> Expression:
        found = self._peek()
        if found.kind == "sign" and found.text in ("!", "-", "+"):
            self._at += 1
            return self._negative(found.text, self._nested())
        if self._take("word", "typeof"):
            return Unary("typeof", self._nested())
        return self._suffixed(self._primary())

    def _nested(self) -> Expression:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise NotMechanicalError("it is nested too deeply")
        operand = self._unary()
        self._depth -= 1
        return operand

    def _negative(self, operator: str, operand: Expression) -> Expression:
        if operator == "-" and isinstance(operand, Literal) and isinstance(operand.value, (int, float)):
            return Literal(-operand.value)
        return Unary(operator, operand)

    def _suffixed(self, value: Expression) -> Expression:
        while True:
            if self._take("sign", "."):
                value = Member(value, Literal(self._expect("word").text))
            elif self._take("sign", "?."):
                value = self._optional(value)
            elif self._take("sign", "["):
                value = Member(value, self._expression())
                self._expect("sign", "]")
            elif self._peek().text == "(" and self._peek().kind == "sign":
                value = Call(value, self._listed("(", ")"))
            else:
                return value

    def _optional(self, owner: Expression) -> Expression:
        if self._take("sign", "["):
            key = self._expression()
            self._expect("sign", "]")
            return Member(owner, key, optional=True)
        if self._peek().text == "(":
            raise NotMechanicalError("an optional call")
        return Member(owner, Literal(self._expect("word").text), optional=True)

    def _listed(self, opening: str, closing: str) -> tuple[Expression, ...]:
        self._expect("sign", opening)
        items: list[Expression] = []
        while not self._take("sign", closing):
            items.append(self._expression())
            if not self._take("sign", ","):
                self._expect("sign", closing)
                break
        return tuple(items)

    def _primary(self) -> Expression:
        found = self._peek()
        if found.kind == "sign":
            return self._bracketed(found.text)
        self._at += 1
        match found.kind:
            case "number":
                return Literal(_number(found.text))
            case "text":
                return Literal(found.text)
            case "template":
                return _template(found.text)
            case "pattern":
                return Pattern(found.text, found.flags)
            case "word" if found.text not in _KEYWORDS:
                return _CONSTANTS.get(found.text, Name(found.text))
            case _:
                raise NotMechanicalError(f"{found.text or 'its end'!r} is not understood")

    def _bracketed(self, opening: str) -> Expression:
        if opening == "[":
            return Items(self._listed("[", "]"))
        if opening == "{":
            return self._fields()
        self._expect("sign", "(")
        value = self._expression()
        self._expect("sign", ")")
        return value

    def _fields(self) -> Expression:
        self._expect("sign", "{")
        fields: list[tuple[str, Expression]] = []
        spread: list[Expression] = []
        while not self._take("sign", "}"):
            if self._take("sign", "..."):
                spread.append(self._expression())
            else:
                fields.append(self._field())
            if not self._take("sign", ","):
                self._expect("sign", "}")
                break
        return Fields(tuple(fields), tuple(spread))

    def _field(self) -> tuple[str, Expression]:
        key = self._peek()
        if key.kind not in ("word", "text"):
            raise NotMechanicalError(f"{key.text!r} is not understood")
        self._at += 1
        if self._take("sign", ":"):
            return key.text, self._expression()
        return key.text, Name(key.text)


def _number(text: str) -> int | float:
    plain = text.replace("_", "")
    if plain[:2] in ("0x", "0X"):
        return int(plain, 16)
    value = float(plain)
    return int(value) if value.is_integer() and abs(value) < 2**53 else value


def _template(text: str) -> Expression:
    parts: list[Expression] = []
    for is_code, part in template_parts(text):
        if is_code:
            parts.append(parse_javascript(part))
        elif part:
            parts.append(Literal(part))
    texts = [part.value for part in parts if isinstance(part, Literal)]
    if len(texts) == len(parts):
        return Literal("".join(map(str, texts)))
    return Joined(tuple(parts))
