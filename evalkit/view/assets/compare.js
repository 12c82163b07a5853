// The candidates of the run that is chosen for each side of a comparison.

function fillCandidates(letter, pick) {
  const list = byId(`${letter}_candidate`);
  const names = JSON.parse(byId(letter).selectedOptions[0]?.dataset.candidates ?? "[]");
  list.replaceChildren(
    make("option", { value: "" }, "all"),
    ...names.map((name, at) => make("option", { value: String(at) }, name)),
  );
  list.value = names[pick] === undefined ? "" : pick;
}

function startChoice() {
  for (const letter of ["a", "b"]) {
    fillCandidates(letter, byId(`${letter}_candidate`).dataset.pick);
    byId(letter).addEventListener("change", () => fillCandidates(letter, ""));
  }
}
