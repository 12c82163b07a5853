// The list of runs: searched, filtered, sorted, and two of them chosen for a comparison. The address keeps the choice.

const LISTED = ["search", "suite", "state"];

class RunList {
  constructor(table) {
    this.table = table;
    this.runs = [...table.tBodies];
    this.sort = "began";
    this.down = true;
    this.picked = [];
    this.recall();
    for (const name of LISTED) byId(name)?.addEventListener("input", () => this.apply());
    for (const head of table.querySelectorAll("th[data-sort]")) {
      head.firstElementChild.addEventListener("click", () => this.sortBy(head.dataset.sort));
    }
    for (const run of this.runs) run.querySelector("input")?.addEventListener("change", () => this.pick(run));
    byId("pair-clear").addEventListener("click", () => this.clear());
    this.apply();
  }

  /** Take up the choice that the address holds, as it does when a reader comes back. */
  recall() {
    const kept = new URLSearchParams(location.search);
    for (const name of LISTED) {
      const control = byId(name);
      if (control) control.value = kept.get(name) ?? "";
      if (control?.value === "" && control.tagName === "SELECT") control.selectedIndex = 0;
    }
    if (this.table.querySelector(`th[data-sort="${CSS.escape(kept.get("sort") ?? "")}"]`)) {
      this.sort = kept.get("sort");
      this.down = kept.has("down");
    }
    for (const run of this.runs) {
      const box = run.querySelector("input");
      if (box) box.checked = false;
    }
  }

  sortBy(sort) {
    // What is best or newest comes first: late dates, high pass rates, low times and costs.
    this.down = this.sort === sort ? !this.down : ["began", "rate"].includes(sort);
    this.sort = sort;
    this.apply();
  }

  apply() {
    const chosen = Object.fromEntries(LISTED.map((name) => [name, byId(name)?.value ?? ""]));
    const words = chosen.search.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const { dataset, classList } of this.runs) {
      const fits =
        words.every((word) => dataset.words.includes(word)) &&
        ["suite", "state"].every((name) => !chosen[name] || dataset[name] === chosen[name]);
      classList.toggle("left-out", !fits);
      shown += fits;
    }
    this.table.append(...[...this.runs].sort((one, other) => this.order(one.dataset, other.dataset)));
    for (const head of this.table.querySelectorAll("th[data-sort]")) {
      head.setAttribute("aria-sort", head.dataset.sort !== this.sort ? "none" : this.down ? "descending" : "ascending");
    }
    if (byId("count")) byId("count").textContent = `${show.count(shown)} of ${counted(this.runs.length, "run")}`;
    byId("none").hidden = shown > 0;
    this.keep(chosen);
  }

  /** What is unknown comes last, whichever way round. */
  order(one, other) {
    const [first, second] = [one[this.sort], other[this.sort]];
    if (!first || !second) return !first - !second;
    const words = ["suite", "began"].includes(this.sort);
    return (words ? (first > second) - (first < second) : first - second) * (this.down ? -1 : 1);
  }

  keep(chosen) {
    const kept = new URLSearchParams(Object.entries(chosen).filter(([, value]) => value));
    if (this.sort !== "began" || !this.down) kept.set("sort", this.sort);
    if (kept.has("sort") && this.down) kept.set("down", "");
    history.replaceState(null, "", kept.size ? `?${kept}` : location.pathname);
  }

  pick(run) {
    this.picked = this.picked.filter((one) => one !== run);
    if (run.querySelector("input").checked) this.picked.push(run);
    if (this.picked.length > 2) this.picked.shift().querySelector("input").checked = false;
    const [old, recent] = [...this.picked].sort((one, other) => (one.dataset.began > other.dataset.began ? 1 : -1));
    byId("pair").hidden = !old;
    byId("pair-link").hidden = !recent;
    byId("pair-words").textContent = recent
      ? `A: ${old.dataset.name}, B: ${recent.dataset.name}`
      : `${old?.dataset.name}: choose another run to compare it with.`;
    if (recent) byId("pair-link").href = `/compare?${new URLSearchParams({ a: old.dataset.name, b: recent.dataset.name })}`;
  }

  clear() {
    for (const run of this.picked) run.querySelector("input").checked = false;
    this.picked = [];
    byId("pair").hidden = true;
  }
}

/** A suite over time: show one candidate's lines alone, or all again. */
function startLegend(legend) {
  legend.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    const alone = button.getAttribute("aria-pressed") !== "true";
    for (const one of legend.children) one.setAttribute("aria-pressed", String(alone && one === button));
    for (const line of document.querySelectorAll(".line")) {
      line.classList.toggle("dim", alone && line.dataset.line !== button.dataset.line);
    }
  });
}
