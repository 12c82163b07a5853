// Cases with their calls, and the choice of those to show.

const OUTCOMES = {
  p: { word: "passed", sign: "\u2713" },
  f: { word: "failed", sign: "\u2717" },
  e: { word: "error", sign: "!" },
  m: { word: "never finished", sign: "\u2026" },
  n: { word: "not asked", sign: "\u2013" },
};

/** Join calls to their cases: `calls[candidate][trial]`, undefined where the page does not hold the call. */
function joined(data) {
  const cases = data.cases.map((one, at) => ({
    vars: [],
    tags: [],
    turns: [],
    ...one,
    at,
    calls: data.candidates.map(() => []),
    // All trials of a candidate, as letters.
    results: data.candidates.map((_, of) => one.outcomes.slice(of * data.trials, (of + 1) * data.trials)),
  }));
  for (const call of data.calls) cases[call.case].calls[call.of][call.trial - 1] = call;
  return cases;
}

const finishedIn = (letters) => [...letters].filter((letter) => "pfe".includes(letter)).length;
const passedIn = (letters) => [...letters].filter((letter) => letter === "p").length;

/** The share of finished trials that passed; null where none finished. */
function shareOf(letters) {
  const finished = finishedIn(letters);
  return finished ? passedIn(letters) / finished : null;
}

/** The mean of a figure over the calls of a candidate; null where none is known. */
function figureOf(one, of, name) {
  const known = one.calls[of].filter((call) => call && call[name] != null).map((call) => call[name]);
  return known.length ? known.reduce((sum, value) => sum + value, 0) / known.length : null;
}

const inputOf = (one) => one.vars.map(([, value]) => textOf(value)).join("  ");

/** What a search looks through, made when it is first wanted. */
function haystack(one) {
  one.haystack ??= [
    one.id,
    ...one.tags,
    inputOf(one),
    ...one.turns.map(textOf),
    textOf(one.expected),
    ...one.calls.flat().flatMap((call) => (call ? [...(call.turns ?? []), call.output, call.tools, call.error].map(textOf) : [])),
    ...one.calls.flat().flatMap((call) => (call?.verdicts ?? []).map((verdict) => textOf(verdict[3]))),
  ]
    .join("\n")
    .toLowerCase();
  return one.haystack;
}

const WANTED = {
  "": () => true,
  not: (letters) => [...letters.join("")].some((letter) => "fe".includes(letter)),
  none: (letters) => passedIn(letters.join("")) === 0 && finishedIn(letters.join("")) > 0,
  all: (letters) => finishedIn(letters.join("")) > 0 && passedIn(letters.join("")) === finishedIn(letters.join("")),
  differ: (letters) => new Set(letters.map(shareOf).filter((share) => share !== null)).size > 1,
  error: (letters) => letters.join("").includes("e"),
};

/** The cases that every filter lets through, in the order asked for. */
function chosen(cases, state) {
  const words = state.search.toLowerCase().split(/\s+/).filter(Boolean);
  const wanted = WANTED[state.outcome];
  const found = cases.filter(
    (one) =>
      (!state.tag || one.tags.includes(state.tag)) &&
      (!state.pair || differ(one, ...state.pair)) &&
      wanted(state.whose === "" ? one.results : [one.results[Number(state.whose)]]) &&
      (!words.length || words.every((word) => haystack(one).includes(word))),
  );
  return state.sort ? sorted(found, state) : found;
}

function differ(one, first, second) {
  const [of, against] = [shareOf(one.results[first]), shareOf(one.results[second])];
  return of !== null && against !== null && of !== against;
}

/** A stable sort; what is unknown comes last either way. */
function sorted(cases, { sort, down, metric }) {
  const keys = new Map(cases.map((one) => [one, sortKey(one, sort, metric)]));
  const compare = (a, b) => (typeof a === "string" ? a.localeCompare(b, "en", { numeric: true }) : a - b);
  return [...cases].sort((one, other) => {
    const [a, b] = [keys.get(one), keys.get(other)];
    if (a === null || b === null) return (a === null) - (b === null);
    return down ? compare(b, a) : compare(a, b);
  });
}

function sortKey(one, sort, metric) {
  if (sort === "case") return one.id;
  if (sort === "tags") return one.tags.join(" ") || null;
  if (sort === "input") return inputOf(one).slice(0, 200);
  if (sort === "passed") return shareOf(one.results.join(""));
  const of = Number(sort);
  return metric === "outcome" ? shareOf(one.results[of]) : figureOf(one, of, metric);
}
