// Two candidates, case by case: on which of the cases one did better than the other.

const MOST_CHIPS = 200;

function startPairs(data, cases, table) {
  if (!data.pairs.length) return;
  const [first, second] = [byId("pair-first"), byId("pair-second")];
  const compared = [...new Set(data.pairs.flatMap((pair) => [pair.second, pair.first]))];
  for (const select of [first, second]) {
    select.append(...compared.map((at) => make("option", { value: String(at) }, data.candidates[at].name)));
    select.addEventListener("change", () => showPair(data, cases, Number(first.value), Number(second.value)));
  }
  first.value = String(data.pairs[0].first);
  second.value = String(data.pairs[0].second);
  byId("pair-filter").addEventListener("click", () => {
    table.reset({ pair: [Number(first.value), Number(second.value)] });
    byId("cases").scrollIntoView();
  });
  showPair(data, cases, Number(first.value), Number(second.value));
}

function showPair(data, cases, first, second) {
  const of = [first, second].map((at) => data.candidates[at].name);
  const pair = data.pairs.find((one) => [one.first, one.second].every((at) => at === first || at === second));
  byId("pair-words").textContent = first === second ? "Choose two different candidates." : (pair?.words ?? "They have no case in common.");
  const different = cases.filter((one) => differ(one, first, second));
  const gained = different.filter((one) => shareOf(one.results[first]) > shareOf(one.results[second]));
  listCases("gained", `${of[0]} did better than ${of[1]}`, gained);
  listCases("lost", `${of[1]} did better than ${of[0]}`, different.filter((one) => !gained.includes(one)));
}

function listCases(name, title, found) {
  byId(`pair-${name}-title`).textContent = `${title} (${show.count(found.length)})`;
  const chips = found.slice(0, MOST_CHIPS).map((one) => make("li", {}, make("a", { href: linkTo(one) }, one.id)));
  if (found.length > MOST_CHIPS) chips.push(make("li", { className: "quiet" }, `and ${show.count(found.length - MOST_CHIPS)} more`));
  byId(`pair-${name}`).replaceChildren(...chips);
}
