"""What opens over the case: a choice of labels, a line or a text to write, something to read, a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar, Final

from rich.text import Text
from textual import on
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Vertical, VerticalScroll
from textual.content import Content
from textual.events import Key
from textual.screen import ModalScreen
from textual.widgets import Input, OptionList, Static, TextArea

from evalkit.errors import ConfigError
from evalkit.labelling.shown import SHOWN_CHARS, Part, cleaned, multiline, single_line
from evalkit.labelling.task import Task
from evalkit.scorers.values import as_text
from evalkit.suite.jsontext import parse_json
from evalkit.types import MISSING, Json

_LABEL_CHARS: Final = 200
_MORE: Final = 10


class SafeInput(Input):
    """A line to write, into which nothing can be pasted that drives the terminal."""

    def validate_value(self, value: str) -> str:
        """Show control characters as pictures."""
        return cleaned(value.replace("\t", " "))


class SafeTextArea(TextArea):
    """A text to write; what it holds is kept as it is, and shown without what drives the terminal."""

    def get_line(self, line_index: int) -> Text:
        """Show control characters as pictures."""
        return Text(cleaned(self.document.get_line(line_index)), end="", no_wrap=True)


class Choose(ModalScreen[Json]):
    """Choose one of many labels by typing a part of it. Returns MISSING where nothing was chosen."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "cancel")]

    def __init__(self, task: Task, current: Json) -> None:
        super().__init__()
        self._asked = task
        self._current = current
        self._found: Sequence[Json] = ()
        self._new = ""

    def compose(self) -> ComposeResult:
        """Lay it out: the line to type in over the labels."""
        with Vertical(classes="dialog tall"):
            yield Static(Content("Which label? Type a part of it."), classes="title")
            yield SafeInput(placeholder="type to filter", id="typed", compact=True)
            yield OptionList(id="labels", compact=True)
            yield Static(Content("enter take it   up/down move   esc back"), classes="hint")

    def on_mount(self) -> None:
        """Start with all labels."""
        self.set_focus(self.query_one(Input))
        self.query_one(OptionList).can_focus = False
        self._show("")

    @on(Input.Changed)
    def _typed(self, event: Input.Changed) -> None:
        self._show(event.value)

    def _show(self, typed: str) -> None:
        self._found = self._asked.matching(typed)
        exact = any(as_text(label) == typed.strip() for label in self._found)
        self._new = "" if self._asked.closed or exact else typed.strip()
        labels = self.query_one(OptionList)
        labels.clear_options()
        labels.add_options([Content(self._named(label)) for label in self._found])
        if self._new:
            labels.add_option(Content(f'+ new label: "{single_line(self._new, _LABEL_CHARS)}"'))
        labels.highlighted = 0 if labels.option_count else None

    def _named(self, label: Json) -> str:
        mark = "* " if self._current is not MISSING and as_text(label) == as_text(self._current) else "  "
        return mark + single_line(as_text(label), _LABEL_CHARS)

    def on_key(self, event: Key) -> None:
        """Move through the labels while the line keeps the cursor."""
        labels = self.query_one(OptionList)
        moves: dict[str, Callable[[], None]] = {
            "down": labels.action_cursor_down,
            "up": labels.action_cursor_up,
            "pagedown": labels.action_page_down,
            "pageup": labels.action_page_up,
        }
        if event.key in moves:
            event.stop()
            moves[event.key]()

    @on(Input.Submitted)
    def _take(self) -> None:
        place = self.query_one(OptionList).highlighted
        if place is not None:
            self.dismiss(self._found[place] if place < len(self._found) else self._new)

    def action_leave(self) -> None:
        """Choose nothing."""
        self.dismiss(MISSING)


class Ask(ModalScreen[str | None]):
    """Ask for a line of text. Returns None where it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave", "cancel")]

    def __init__(self, question: str, value: str = "", hint: str = "") -> None:
        super().__init__()
        self._question = question
        self._value = value
        self._hint = hint

    def compose(self) -> ComposeResult:
        """Lay it out: the question over the line."""
        with Vertical(classes="dialog"):
            yield Static(Content(self._question), classes="title")
            yield SafeInput(self._value, id="line", compact=True)
            yield Static(Content(f"{self._hint}enter ok   esc back"), classes="hint")

    def on_mount(self) -> None:
        """Take keys from the first one on."""
        self.set_focus(self.query_one(Input))

    @on(Input.Submitted)
    def _take(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)

    def action_leave(self) -> None:
        """Leave things as they are."""
        self.dismiss(None)


class Edit(ModalScreen[Json]):
    """Write an expected output, as text or as JSON. Returns MISSING where it was left."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "cancel", priority=True),
        Binding("ctrl+s,f2", "save", "save", priority=True),
    ]

    def __init__(self, value: str, *, as_json: bool) -> None:
        super().__init__()
        self._value = value
        self._as_json = as_json

    def compose(self) -> ComposeResult:
        """Lay it out: the text over what is wrong with it."""
        with Vertical(classes="dialog tall"):
            title = "What is expected? In JSON." if self._as_json else "What is expected?"
            yield Static(Content(title), classes="title")
            yield SafeTextArea(self._value, id="text", soft_wrap=True, compact=True)
            yield Static(Content("ctrl+s (or F2) save   esc back"), classes="hint", id="wrong")

    def on_mount(self) -> None:
        """Take keys from the first one on."""
        self.set_focus(self.query_one(TextArea))

    def action_save(self) -> None:
        """Take the text, with all that was typed before this key."""
        self.query_one(TextArea).call_later(self._save)

    def _save(self) -> None:
        text = self.query_one(TextArea).text
        if not self._as_json:
            self._take(text)
            return
        try:
            self._take(parse_json(text, "line"))
        except ConfigError as error:
            self.query_one("#wrong", Static).update(Content(single_line(str(error), _LABEL_CHARS)))

    def _take(self, value: Json) -> None:
        if value is None or (isinstance(value, str) and not value.strip()):
            self.query_one("#wrong", Static).update(Content("there is nothing in it; esc leaves"))
        else:
            self.dismiss(value)

    def action_leave(self) -> None:
        """Leave things as they are."""
        self.dismiss(MISSING)


class Read(ModalScreen[None]):
    """Show something to read until a key closes it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape,q,enter,p,a,question_mark", "leave", "close"),
        Binding("m", "more", "more"),
    ]

    def __init__(self, title: str, parts: Sequence[Part]) -> None:
        super().__init__()
        self._title = title
        self._parts = parts
        self._limit = SHOWN_CHARS

    def compose(self) -> ComposeResult:
        """Lay it out: the texts one below the other."""
        with Vertical(classes="dialog tall"):
            yield Static(Content(self._title), classes="title")
            with VerticalScroll(id="read"):
                yield Static(id="parts")
            yield Static(Content("up/down scroll   esc back"), classes="hint")

    def on_mount(self) -> None:
        """Show the texts."""
        self._show()
        self.query_one("#read").focus()

    def _show(self) -> None:
        self.query_one("#parts", Static).update(laid_out(self._parts, self._limit))

    def action_more(self) -> None:
        """Show more of what was cut."""
        self._limit *= _MORE
        self._show()

    def action_leave(self) -> None:
        """Close it."""
        self.dismiss(None)


class Confirm(ModalScreen[str]):
    """Ask a question that one key answers. Returns that key, or nothing where it was left."""

    def __init__(self, question: str, answers: str) -> None:
        super().__init__()
        self._question = question
        self._answers = answers

    def compose(self) -> ComposeResult:
        """Lay it out."""
        with Vertical(classes="dialog"):
            yield Static(Content(self._question), id="question")

    def on_key(self, event: Key) -> None:
        """Take the answer."""
        event.stop()
        if event.key == "escape":
            self.dismiss("")
        elif event.character and event.character.lower() in self._answers:
            self.dismiss(event.character.lower())


def laid_out(parts: Sequence[Part], limit: int) -> Content:
    """Texts under their titles; a single text has no need of one."""
    blocks = []
    for part in parts:
        titles = [Content.styled(single_line(part.title, _LABEL_CHARS), "bold underline")] if part.title else []
        blocks.append(Content("\n").join([*titles, Content(multiline(part.text, limit) or "(empty)")]))
    return Content("\n\n").join(blocks)
