// One case: what was asked, what was expected, and what every candidate said, side by side.

const MOST_COMPARED = 20000;
const COMPARE_MS = 150;

class Detail {
  constructor(data) {
    this.data = data;
    this.dialog = byId("detail");
    this.compare = remembered("compare") !== "no";
    this.current = null;
    this.unfolded = new Set();
    this.dialog.addEventListener("close", () => {
      this.current = null;
      if (location.hash.startsWith("#case=")) history.replaceState(null, "", "#cases");
    });
    this.dialog.addEventListener("click", (event) => {
      if (event.target === this.dialog) this.dialog.close();
    });
  }

  show(one, beside) {
    this.current = one;
    this.beside = beside;
    const focused = this.dialog.contains(document.activeElement) ? document.activeElement.title : "";
    this.dialog.replaceChildren(this.header(one), ...this.asked(one), this.answers(one));
    if (!this.dialog.open) this.dialog.showModal();
    [...this.dialog.querySelectorAll("button")].find((button) => button.title === focused)?.focus();
    this.dialog.scrollTop = 0;
  }

  header(one) {
    const button = (text, title, act) => {
      const made = make("button", { type: "button", title }, text);
      made.addEventListener("click", act);
      return made;
    };
    const box = make("input", { type: "checkbox", checked: this.compare, id: "compare" });
    box.addEventListener("change", () => {
      this.compare = box.checked;
      remembered("compare", this.compare ? "yes" : "no");
      this.show(one, this.beside);
    });
    return make(
      "header",
      { className: "detail-head" },
      make("h2", { id: "detail-title" }, make("a", { href: linkTo(one), title: "A link to this case" }, one.id)),
      make("span", { className: "quiet" }, one.tags.join(", ")),
      one.expected === undefined ? null : make("label", {}, box, " differences to what is expected"),
      make(
        "span",
        { className: "detail-keys" },
        button("\u2190", "Case before (k)", () => this.step(-1)),
        button("\u2192", "Next case (j)", () => this.step(1)),
        button("\u2715", "Close (Esc)", () => this.dialog.close()),
      ),
    );
  }

  step(by) {
    const next = this.current && this.beside(this.current, by);
    if (!next) return;
    // One entry of the browser's history for all the cases that a reader leafs through.
    history.replaceState(null, "", linkTo(next));
    this.show(next, this.beside);
  }

  asked(one) {
    const vars = one.vars.map(([name, value]) => [name, block(value)]);
    const turns = one.turns.map((turn, at) => [`turn ${at + 1}`, block(turn)]);
    const expected = one.expected === undefined ? [] : [["expected", block(pretty(one.expected), "expected")]];
    const rows = [...vars, ...turns, ...expected].flatMap(([name, shown]) => [make("dt", {}, name), make("dd", {}, shown)]);
    const prompts = [...new Set(this.data.candidates.map((candidate) => candidate.prompt))];
    return [make("dl", { className: "asked" }, ...rows), ...prompts.map((prompt) => this.messages(one, prompt, prompts.length > 1))];
  }

  messages(one, prompt, several) {
    const sent = one.sent?.[prompt]?.map(([role, text]) => [role, this.data.texts[text]]);
    const shown = sent ?? this.data.prompts[prompt] ?? [];
    if (!shown.length) return "";
    const title = `${!sent ? "Prompt, before it was filled" : one.turns.length ? "Messages sent before turn 1" : "Messages sent"}${several ? `: ${prompt}` : ""}`;
    return make(
      "details",
      { className: "messages", open: this.unfolded.has(prompt), ontoggle: (event) => this.unfolded[event.target.open ? "add" : "delete"](prompt) },
      make("summary", {}, title),
      ...shown.flatMap(([role, text]) => [make("div", { className: "role" }, role || "the conversation goes on"), block(text)]),
    );
  }

  answers(one) {
    const cards = this.data.candidates.flatMap((candidate, of) =>
      [...one.results[of]].map((letter, trial) => this.card(one, candidate, of, trial, letter)),
    );
    return make("div", { className: "answers" }, ...cards);
  }

  card(one, candidate, of, trial, letter) {
    const call = one.calls[of][trial];
    const { word, sign } = OUTCOMES[letter];
    const title = make("h3", {}, make("span", { className: `mark ${this.data.colours[of]}` }), candidate.name);
    if (this.data.trials > 1) title.append(make("span", { className: "quiet" }, ` trial ${trial + 1}`));
    const badge = make("span", { className: `badge o-${letter}` }, `${sign} ${word}`);
    const graded = this.data.graded && call?.score != null ? make("span", { className: "quiet" }, `score ${show.score(call.score)}`) : null;
    return make(
      "article",
      { className: "answer" },
      make("header", {}, title, badge, graded),
      ...(call ? [...this.said(one, call, letter), reasonsOf(call), timesOf(call)] : [missingWords(letter)]),
    );
  }

  said(one, call, letter) {
    const parts = (call.turns ?? []).slice(0, -1).map((turn) => block(turn, "turn"));
    if (call.error !== undefined) parts.push(block(call.error, "failure"));
    if (call.output !== undefined) parts.push(this.output(one, call, letter));
    if (call.tools !== undefined) parts.push(make("div", { className: "role" }, "tool calls"), block(pretty(call.tools)));
    return parts;
  }

  output(one, call, letter) {
    const [output, expected] = [pretty(call.output), pretty(one.expected)];
    const long = textOf(output).length + textOf(expected).length > MOST_COMPARED;
    if (this.compare && one.expected !== undefined && letter !== "p" && textOf(output) && !long && !cutAt(output) && !cutAt(expected)) {
      const parts = Diff.diffWordsWithSpace(textOf(expected), textOf(output), { timeout: COMPARE_MS });
      if (parts) return make("pre", { className: "output diff" }, ...parts.map(partOf));
    }
    return textOf(output) ? block(output, "output") : make("p", { className: "quiet" }, "(empty)");
  }
}

function partOf({ value, added, removed }) {
  if (added) return make("ins", {}, value);
  return removed ? make("del", {}, value) : value;
}

/** JSON with line breaks, if it is an object or a list; any other text as it is. */
function pretty(kept) {
  if (typeof kept !== "string" || !/^\s*[[{]/.test(kept)) return kept;
  try {
    return JSON.stringify(JSON.parse(kept), null, 2);
  } catch {
    return kept;
  }
}

/** A text, with a note where it was cut. */
function block(kept, className = "") {
  const shown = make("pre", { className }, textOf(kept));
  if (cutAt(kept)) shown.append(make("span", { className: "cut" }, `\n... ${counted(cutAt(kept), "character")} in all; the whole text is in cases.csv or cases.jsonl`));
  return shown;
}

const WITHOUT = { m: "The run ended before there was an answer.", n: "The race went on without this candidate before it came to this case." };

const missingWords = (letter) => make("p", { className: "quiet" }, WITHOUT[letter] ?? "This page is too small to hold this answer: it is in cases.csv.");

function reasonsOf(call) {
  const rows = (call.verdicts ?? []).map(([scorer, passed, value, reason, weight]) => {
    const sign = value === null ? OUTCOMES.n.sign : OUTCOMES[passed ? "p" : "f"].sign;
    const score = value === null || value === Number(passed) ? "" : ` ${show.score(value)}`;
    const aside = weight ? "" : " (reported only)";
    return make("li", { className: `verdict-${passed ? "p" : "f"}` }, `${sign} ${scorer}${score}${aside}${textOf(reason) ? `: ${textOf(reason)}` : ""}`);
  });
  return rows.length ? make("ul", { className: "verdicts" }, ...rows) : null;
}

function timesOf(call) {
  const told = [
    call.latency_ms == null ? "" : show.latency_ms(call.latency_ms),
    call.ttft_ms == null ? "" : `first token ${show.latency_ms(call.ttft_ms)}`,
    call.queue_ms >= 1 ? `queued ${show.latency_ms(call.queue_ms)}` : "",
    call.retry_ms >= 1 ? `retried for ${show.latency_ms(call.retry_ms)}` : "",
    call.retries ? `after ${call.retries === 1 ? "a retry" : `${call.retries} retries`}` : "",
    call.input_tokens == null ? "" : `${show.count(call.input_tokens)} tokens in`,
    call.output_tokens == null ? "" : `${show.count(call.output_tokens)} out`,
    call.cost_usd == null ? "" : show.cost_usd(call.cost_usd),
    call.finish && call.finish !== "stop" ? `ended by ${call.finish}` : "",
    call.served ? `served as ${call.served}` : "",
  ];
  return make("footer", { className: "quiet" }, told.filter(Boolean).join(", "));
}
