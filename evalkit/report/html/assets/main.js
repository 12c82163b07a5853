// Put it together: links to cases, and the keyboard.

function start() {
  const data = JSON.parse(byId("data").textContent);
  const cases = joined(data);
  const byName = new Map(cases.map((one) => [one.id, one]));
  const detail = new Detail(data);
  const table = new CaseTable(data, cases, (one) => {
    if (location.hash === linkTo(one)) follow();
    else location.hash = linkTo(one);
  });

  function follow() {
    const named = /^#case=(.*)$/s.exec(location.hash);
    const one = named && byName.get(decoded(named[1]));
    if (one) detail.show(one, (from, by) => table.beside(from, by));
    else if (detail.dialog.open) detail.dialog.close();
  }

  startTheme();
  startLatency(data);
  startPairs(data, cases, table);
  addEventListener("hashchange", follow);
  addEventListener("keydown", (event) => onKey(event, table, detail));
  follow();
}

/** A part of an address as text; what is no such part is taken as it is. */
function decoded(text) {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

function onKey(event, table, detail) {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const target = event.target;
  if (target.matches("input, select, textarea") && target.type !== "checkbox") {
    if (event.key === "Escape" && target.id === "search") target.blur();
    if (event.key === "Enter" && target.id === "search") byId("viewport").focus();
    return;
  }
  const step = { j: 1, k: -1, ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (detail.dialog.open) {
    if (step && event.key.length === 1) detail.step(step);
    return;
  }
  const inTable = target.id === "viewport" || event.key.length === 1;
  if (step && inTable) table.move(step);
  else if (event.key === "/") byId("search").focus();
  else if (event.key === "Enter" && !target.closest("a, button, summary") && table.shown.length) table.open(table.shown[table.selected]);
  else return;
  event.preventDefault();
}

start();
