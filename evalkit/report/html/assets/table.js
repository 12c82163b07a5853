// The table of cases. Only the rows in sight are in the document, so that its length does not matter.

const ROW_HEIGHT = 34;
const SPARE_ROWS = 8;
const MOST_PRINTED = 1000;
const MANY = 3;
const HEADING = 12;

class CaseTable {
  constructor(data, cases, open) {
    this.data = data;
    this.cases = cases;
    this.open = open;
    this.state = this.blank();
    this.shown = cases;
    this.selected = 0;
    this.viewport = byId("viewport");
    this.body = document.querySelector("#case-table tbody");
    this.head = document.querySelector("#case-table thead");
    byId("case-table").classList.toggle("many", data.candidates.length > MANY);
    this.fillControls();
    this.viewport.addEventListener("scroll", () => this.schedule(), { passive: true });
    new ResizeObserver(() => this.schedule()).observe(this.viewport);
    addEventListener("beforeprint", () => this.render(true));
    addEventListener("afterprint", () => this.render());
    this.apply();
  }

  blank() {
    return { search: "", outcome: "", whose: "", tag: "", metric: "outcome", sort: "", down: false, pair: null };
  }

  fillControls() {
    const { candidates } = this.data;
    byId("whose").append(...candidates.map((one, at) => make("option", { value: String(at) }, one.name)));
    const tags = [...new Set(this.cases.flatMap((one) => one.tags))].sort();
    byId("tag").append(...tags.map((tag) => make("option", { value: tag }, tag)));
    byId("tag-label").hidden = !tags.length;
    for (const name of ["outcome", "whose", "tag", "metric"]) {
      byId(name).addEventListener("change", () => this.set({ [name]: byId(name).value }));
    }
    let timer = 0;
    byId("search").addEventListener("input", () => {
      clearTimeout(timer);
      timer = setTimeout(() => this.set({ search: byId("search").value }), 120);
    });
    byId("reset").addEventListener("click", () => this.reset());
  }

  reset(changes = {}) {
    this.set({ ...this.blank(), ...changes });
    for (const name of ["search", "outcome", "whose", "tag", "metric"]) byId(name).value = this.state[name];
  }

  set(changes) {
    this.state = { ...this.state, ...changes };
    this.apply();
  }

  sortBy(sort) {
    const { sort: before, down } = this.state;
    // Up, then down, then as the run asked them.
    if (before !== sort) this.set({ sort, down: false });
    else if (!down) this.set({ down: true });
    else this.set({ sort: "", down: false });
  }

  apply() {
    this.shown = chosen(this.cases, this.state);
    this.selected = 0;
    this.viewport.scrollTop = 0;
    const pair = this.state.pair ? `, where ${this.state.pair.map((at) => this.data.candidates[at].name).join(" and ")} differ` : "";
    byId("count").textContent = `${show.count(this.shown.length)} of ${counted(this.cases.length, "case")}${pair}`;
    this.renderHead();
    this.render();
  }

  columns() {
    const fixed = [["case", "Case"], ["tags", "Tags"], ["input", "Input"], ["passed", "Passed"]];
    const tagged = this.cases.some((one) => one.tags.length);
    return [
      ...fixed.filter(([key]) => key !== "tags" || tagged),
      ...this.data.candidates.map((one, at) => [String(at), one.name, this.data.colours[at]]),
    ];
  }

  renderHead() {
    const { sort, down } = this.state;
    const cells = this.columns().map(([key, title, colour]) => {
      const arrow = sort === key ? (down ? " \u25bc" : " \u25b2") : "";
      const button = make("button", { type: "button", title: `Sort by ${title}` });
      if (colour) button.append(make("span", { className: `mark ${colour}` }));
      button.append(colour ? middleCut(title) : title, arrow);
      button.addEventListener("click", () => this.sortBy(key));
      const aria = sort === key ? (down ? "descending" : "ascending") : "none";
      return make("th", { scope: "col", className: `column-${colour ? "candidate" : key}`, "aria-sort": aria, "data-title": title }, button);
    });
    this.head.replaceChildren(make("tr", {}, ...cells));
  }

  schedule() {
    this.pending ??= requestAnimationFrame(() => {
      this.pending = null;
      this.render();
    });
  }

  render(printed = false) {
    const visible = Math.ceil(this.viewport.clientHeight / ROW_HEIGHT);
    const first = printed ? 0 : Math.max(0, Math.floor(this.viewport.scrollTop / ROW_HEIGHT) - SPARE_ROWS);
    const last = Math.min(this.shown.length, printed ? MOST_PRINTED : first + visible + 2 * SPARE_ROWS);
    const wide = this.columns().length;
    const rows = [];
    for (let at = first; at < last; at += 1) rows.push(this.row(at));
    const after = printed ? 0 : this.shown.length - last;
    this.body.replaceChildren(this.spacer(first, wide), ...rows, this.spacer(after, wide));
    if (!this.shown.length) this.body.append(make("tr", {}, make("td", { colSpan: wide, className: "quiet" }, "No case matches.")));
    byId("case-table").setAttribute("aria-rowcount", String(this.shown.length));
  }

  spacer(rows, wide) {
    const cell = make("td", { colSpan: wide });
    cell.style.height = `${rows * ROW_HEIGHT}px`;
    return make("tr", { className: "spacer", hidden: !rows, "aria-hidden": "true" }, cell);
  }

  row(at) {
    const one = this.shown[at];
    const letters = one.results.join("");
    const link = make("a", { href: linkTo(one), tabIndex: -1 }, one.id);
    const cells = {
      case: () => make("th", { scope: "row", title: one.id }, link),
      tags: () => make("td", { className: "tags", title: one.tags.join(", ") }, one.tags.join(", ")),
      input: () => make("td", { className: "input" }, inputOf(one).slice(0, 300)),
      passed: () => make("td", { className: "number" }, `${passedIn(letters)}/${finishedIn(letters)}`),
    };
    const row = make("tr", { className: at === this.selected ? "selected" : "", "aria-rowindex": String(at + 1) });
    row.append(...this.columns().map(([key]) => (cells[key] ?? (() => this.resultCell(one, Number(key))))()));
    row.addEventListener("click", (event) => {
      if (event.target.closest("a")) return;
      this.selected = at;
      this.open(one);
    });
    return row;
  }

  resultCell(one, of) {
    const letters = one.results[of];
    const words = [...letters].map((letter) => OUTCOMES[letter].word).join(", ");
    const { metric } = this.state;
    const kind = `result o-${worst(letters)}`;
    if (metric !== "outcome") return make("td", { className: `number ${kind}`, title: words }, show[metric](figureOf(one, of, metric)));
    return make("td", { className: kind, title: words, "aria-label": words }, ...signs(letters));
  }

  move(by) {
    if (!this.shown.length) return;
    this.selected = Math.min(this.shown.length - 1, Math.max(0, this.selected + by));
    const top = this.selected * ROW_HEIGHT;
    const room = this.viewport.clientHeight - this.head.offsetHeight - ROW_HEIGHT;
    if (top < this.viewport.scrollTop) this.viewport.scrollTop = top;
    else if (top > this.viewport.scrollTop + room) this.viewport.scrollTop = top - room;
    this.render();
  }

  /** The case so many places from another one, among those shown. */
  beside(one, by) {
    const at = this.shown.indexOf(one);
    const next = this.shown[at + by];
    if (at < 0 || !next) return null;
    this.move(at + by - this.selected);
    return next;
  }
}

/** A name without its middle, if it is long: names of one run tend to differ at their ends. */
const middleCut = (name) => (name.length <= HEADING ? name : `${name.slice(0, 3)}\u2026${name.slice(4 - HEADING)}`);

const linkTo = (one) => `#case=${encodeURIComponent(one.id)}`;

const worst = (letters) => ["e", "f", "m", "n"].find((letter) => letters.includes(letter)) ?? "p";

/** One trial as a sign, a few as signs, many as a count. */
function signs(letters) {
  if (letters.length > 5) return [`${passedIn(letters)}/${finishedIn(letters)}`];
  return [...letters].map((letter) => make("span", { className: `o-${letter}` }, OUTCOMES[letter].sign));
}
