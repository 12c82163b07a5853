"""The terminal interface: shows the case in view, turns keys into acts of the session. No colour needed, no mouse."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import ClassVar, Final

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import VerticalScroll
from textual.content import Content
from textual.events import Event, Key, Resize
from textual.screen import Screen
from textual.widgets import Static

from evalkit.files import WriteError
from evalkit.labelling.agreement import spelled
from evalkit.labelling.dialogs import Ask, Choose, Confirm, Edit, Read, laid_out
from evalkit.labelling.marks import Mark
from evalkit.labelling.panes import KEYS_HELP, head, keys_pane, progress_line, state_line
from evalkit.labelling.session import Session
from evalkit.labelling.shown import SHOWN_CHARS, Part, in_full, parts_of, said_of, single_line
from evalkit.labelling.source import Item
from evalkit.labelling.task import KEYS, Kind
from evalkit.scorers.values import as_text
from evalkit.types import MISSING, Json

_MORE: Final = 10
_WATCH_S: Final = 0.5
"""How often to look whether the terminal is still there."""
_LOOK: Final = "Look at the answers to this case?\n\na    show them; it is kept that you looked\nesc  go on without"


class Left(StrEnum):
    """How a person left: to have the labels written, to keep them in the journal, or with the terminal."""

    WRITE = "write"
    KEEP = "keep"
    GONE = "gone"


@dataclass(frozen=True, slots=True)
class View:
    """What can be seen of the cases beside themselves.

    Attributes:
        title: what is being labelled.
        annotator: who labels.
        messages: renders the prompts for a case; titles, each with a text.
        answers: what candidates answered, by case id: their names, each with a text.
        said: what others said of the cases that are to be settled, by case id and name.
        offers_writing: whether leaving asks if the labels are to be written.
    """

    title: str
    annotator: str
    messages: Callable[[Item], Iterable[tuple[str, str]]]
    answers: Mapping[str, Sequence[tuple[str, str]]] = field(default_factory=dict)
    said: Mapping[str, Mapping[str, Mark]] = field(default_factory=dict)
    offers_writing: bool = False


class LabelApp(App[Left]):
    """The app. Returns how the person left."""

    CSS_PATH = "label.tcss"
    ENABLE_COMMAND_PALETTE = False
    BINDINGS: ClassVar[list[BindingType]] = [Binding("ctrl+q", "leave", "quit", priority=True)]

    def __init__(self, session: Session, view: View) -> None:
        super().__init__()
        self.title = "evalkit label"
        self.fault: WriteError | None = None
        self._session = session
        self._view = view

    def on_mount(self) -> None:
        """Show the first case."""
        self.theme = "textual-dark"
        self.push_screen(LabelScreen(self._session, self._view))
        if not self.is_headless:
            self.set_interval(_WATCH_S, self._leave_if_alone)

    def _leave_if_alone(self) -> None:
        """Leave where the terminal has gone without a signal: Textual would read its end again and again."""
        if not (sys.__stdin__ and sys.__stdin__.isatty()):
            self.exit(Left.GONE)

    async def on_event(self, event: Event) -> None:
        """Take the keys of labels at once, so that none overtakes another."""
        screen = self.screen if isinstance(event, Key) and not event.is_forwarded else None
        if not (isinstance(event, Key) and isinstance(screen, LabelScreen) and screen.take(event)):
            await super().on_event(event)

    def action_leave(self) -> None:
        """Leave at once; all labels are kept."""
        self.exit(Left.KEEP)

    def action_help_quit(self) -> None:
        """Leave at Ctrl-C."""
        self.exit(Left.KEEP)

    def give_up(self, fault: WriteError) -> None:
        """Leave because nothing can be kept any more."""
        self.fault = fault
        self.exit(Left.KEEP)


class LabelScreen(Screen[None]):
    """The case in view, its labels and what can be done."""

    # At once, each in its turn: a key behind one that opens a dialog is meant for that dialog.
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding(*one, priority=True)
        for one in (
            ("enter", "choose", "choose"),
            ("u,ctrl+z", "undo", "undo"),
            ("s", "skip", "skip"),
            ("n,right", "step(1)", "next"),
            ("b,left", "step(-1)", "back"),
            ("space,tab", "unlabelled", "next without a label"),
            ("g", "go_to", "go to"),
            ("slash", "filter", "filter"),
            ("f", "flag", "unsure"),
            ("t", "note", "note"),
            ("x", "clear", "clear"),
            ("p", "prompt", "prompt"),
            ("a", "answers", "answers"),
            ("m", "more", "more"),
            ("question_mark", "help", "help"),
            ("q", "quit", "quit"),
        )
    ]

    def __init__(self, session: Session, view: View) -> None:
        super().__init__()
        self._session = session
        self._view = view
        self._limit = SHOWN_CHARS
        self._shown: Item | None = None

    def compose(self) -> ComposeResult:
        """Lay it out: what is labelled, how far it is, the case, what was said of it, the keys."""
        yield Static(id="head")
        yield Static(id="progress")
        with VerticalScroll(id="case"):
            yield Static(id="body")
        yield Static(id="state")
        yield Static(id="keys")
        yield Static(id="foot")

    def on_mount(self) -> None:
        """Show the first case."""
        self.query_one("#case").focus()
        self._show()

    def on_resize(self, _: Resize) -> None:
        """Fit into the window."""
        self.call_after_refresh(self._show)

    def take(self, key: Key) -> bool:
        """Set the label of the key; whether it has one."""
        label = self._quick.get(key.character or "", MISSING)
        self._set(label)
        return label is not MISSING

    @property
    def _quick(self) -> Mapping[str, Json]:
        """The labels that keys set: those that people differ on, or all there are."""
        said = self._view.said.get(self._session.item.case.id)
        if said is None:
            return self._session.task.keys
        labels = {spelled(mark.label): mark.label for mark in said.values() if mark.labelled}
        return dict(zip(KEYS, labels.values(), strict=False))

    def _act(self, act: Callable[[], str]) -> None:
        """Do something that goes to the journal, and show what it says it did."""
        try:
            said = act()
        except WriteError as error:
            app = self.app
            if isinstance(app, LabelApp):
                app.give_up(error)
            return
        self._show(said)

    def _set(self, label: Json) -> None:
        case = single_line(self._session.item.case.id, 30)

        def act() -> str:
            self._session.set_label(label)
            done = self._session.progress()
            if done.labelled == done.total:
                return "all have a label: q to leave"
            return f"{case}: {single_line(as_text(label), 30)}; u takes it back"

        if label is not MISSING:
            self._act(act)

    def _show(self, said: str = "") -> None:
        session, width = self._session, max(20, self.size.width)
        item, pane = session.item, self.query_one("#case")
        if item is not self._shown:
            self._limit, self._shown = SHOWN_CHARS, item
            pane.scroll_home(animate=False)
        pane.border_title = Content(single_line(item.case.id, width // 2))
        tags = "  ".join(f"#{single_line(tag, 20)}" for tag in item.case.tags)
        pane.border_subtitle = Content(single_line(tags, width // 2)) if tags else None
        self.query_one("#head", Static).update(head(session, self._view.title, self._view.annotator, width))
        self.query_one("#progress", Static).update(progress_line(session.progress(), width))
        self.query_one("#body", Static).update(laid_out(self._parts(item), self._limit))
        self.query_one("#state", Static).update(state_line(session, said, width))
        self.query_one("#keys", Static).update(keys_pane(session, self._quick, width))
        self.query_one("#foot", Static).update(Content(self._foot(width)))

    def _parts(self, item: Item) -> Sequence[Part]:
        others = self._view.said.get(item.case.id, {})
        return [*parts_of(item), *(Part(f"{name} says", said_of(mark)) for name, mark in others.items())]

    def _foot(self, width: int) -> str:
        how = "choose" if self._session.task.kind is Kind.LABEL else "write"
        first = "enter by name" if self._quick else f"enter {how}"
        answers = ["a answers"] if self._has_answers else []
        hints = [first, "u undo", "s skip", *answers, "f unsure", "t note", "/ filter", "p prompt"]
        last = "? help  q quit"
        while hints and len("  ".join([*hints, last])) > width:
            hints.pop()
        return "  ".join([*hints, last])

    @property
    def _has_answers(self) -> bool:
        return self._session.is_blind or self._session.item.case.id in self._view.answers

    async def action_choose(self) -> None:
        """Choose a label, or write what is expected."""
        task, label = self._session.task, self._session.label
        if task.kind is Kind.LABEL:
            await self.app.push_screen(Choose(task, label), self._set)
        else:
            text = "" if label is MISSING else in_full(label)
            await self.app.push_screen(Edit(text, as_json=task.kind is Kind.JSON), self._set)

    def action_undo(self) -> None:
        """Take the last act back."""
        self._act(lambda: "taken back" if self._session.undo() else "there is nothing to take back")

    def action_skip(self) -> None:
        """Leave the case for later."""

        def act() -> str:
            self._session.skip()
            return "left for later"

        self._act(act)

    def action_step(self, by: int) -> None:
        """Go on or back."""
        self._session.step(by)
        self._show()

    def action_unlabelled(self) -> None:
        """Go to the next case without a label."""
        found = self._session.to_unlabelled()
        self._show("" if found else "no case in view is without a label")

    def action_flag(self) -> None:
        """Flag the case as unsure."""

        def act() -> str:
            self._session.flag()
            return "flagged as unsure" if self._session.mark.unsure else "no longer unsure"

        self._act(act)

    def action_clear(self) -> None:
        """Take the label away."""
        self._act(lambda: "label taken away" if self._session.clear() else "it has no label of yours")

    def action_more(self) -> None:
        """Show more of a long text."""
        self._limit *= _MORE
        self._show()

    async def action_note(self) -> None:
        """Write a note."""

        def take(text: str | None) -> None:
            if text is not None:
                self._act(lambda: "note kept" if self._session.note(text) else "the note is as it was")

        await self.app.push_screen(Ask("A note on this case (empty: none)", self._session.mark.note), take)

    async def action_go_to(self) -> None:
        """Go to a case by number or id."""

        def take(text: str | None) -> None:
            if text:
                found = self._session.go_to(text)
                self._show("" if found else f"there is no case {single_line(text, 30)}")

        await self.app.push_screen(Ask("Go to which case? A number, or an id"), take)

    async def action_filter(self) -> None:
        """Show some cases only."""

        def take(text: str | None) -> None:
            if text is not None:
                found = self._session.set_filter(text)
                self._show("" if found else f"nothing fits {single_line(text, 30)}")

        hint = "tag:NAME  is:unlabelled  is:unsure  is:skipped\n"
        await self.app.push_screen(Ask("Show only cases with (empty: all)", self._session.filter, hint), take)

    async def action_prompt(self) -> None:
        """Show what models are asked."""
        parts = [Part(title, text) for title, text in self._view.messages(self._session.item)]
        await self.app.push_screen(
            Read("The prompt for this case", parts or [Part("no prompt", "Name a suite that has one.")])
        )

    async def action_answers(self) -> None:
        """Show what candidates answered, and what the file expects; a second key says that it was no slip."""
        if not self._has_answers:
            self._show("there are no answers to show; name a run with --answers")
        elif self._session.mark.looked:
            self._show_answers()
        else:
            await self.app.push_screen(Confirm(_LOOK, "a"), lambda key: self._show_answers() if key else None)

    def _show_answers(self) -> None:
        item = self._session.item
        parts = [Part("expected in the file", in_full(item.expected))] if self._session.is_blind else []
        parts += [Part(name, text) for name, text in self._view.answers.get(item.case.id, ())]

        def act() -> str:
            self._session.look()
            self.app.push_screen(Read("Answers (it is kept that you saw them)", parts))
            return ""

        self._act(act)

    async def action_help(self) -> None:
        """Show all keys."""
        await self.app.push_screen(Read("Keys", [Part("", KEYS_HELP)]))

    async def action_quit(self) -> None:
        """Leave."""
        labelled = sum(mark.labelled for mark in self._session.marks.marks.values())
        if not (self._view.offers_writing and labelled):
            self.app.exit(Left.KEEP)
            return

        def take(key: str | None) -> None:
            if key:
                self.app.exit(Left.WRITE if key == "y" else Left.KEEP)

        noun = "1 label" if labelled == 1 else f"{labelled} labels"
        question = (
            f"Write {noun} into {self._view.title}?\n\n"
            "y  yes, write and leave\nn  no, leave; they are kept for next time\nesc  go on labelling"
        )
        await self.app.push_screen(Confirm(question, "yn"), take)
