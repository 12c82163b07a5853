// Colours by choice, and the figures of a run under way, anew every second and a half.

const EVERY_MS = 1500;

function showProgress(found) {
  byId("live-words").textContent = found.words;
  byId("live-bar").max = Math.max(found.planned, 1);
  byId("live-bar").value = found.done;
  const rows = found.rows.map((row) => make("tr", {}, ...row.map((cell) => make("td", {}, cell))));
  byId("live-table").tBodies[0].replaceChildren(...rows);
}

/** Ask again and again until the run is neither under way nor waiting to be resumed; then show it as it is. */
async function follow(address) {
  try {
    const answer = await fetch(address);
    const found = await answer.json();
    showProgress(found);
    if (!["under way", "cut short"].includes(found.state)) return location.reload();
  } catch {
    byId("live-words").textContent = "evalkit view does not answer any more; these are the last figures.";
  }
  setTimeout(follow, EVERY_MS, address);
}

startTheme();
const live = byId("live");
if (live) setTimeout(follow, EVERY_MS, live.dataset.address);
