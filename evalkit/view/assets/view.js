// What each page does once it is there; and the figures of a run under way, anew every second and a half.

const EVERY_MS = 1500;

function showProgress(found) {
  byId("live-words").textContent = found.words;
  byId("live-bar").max = Math.max(found.planned, 1);
  byId("live-bar").value = found.done;
  const cell = (text, at) => make("td", { className: at ? "number" : "" }, text);
  byId("live-table").tBodies[0].replaceChildren(...found.rows.map((row) => make("tr", {}, ...row.map(cell))));
}

/** Ask again and again until the run is neither under way nor waiting to be resumed; then show it as it is. */
async function follow(address) {
  try {
    const answer = await fetch(address);
    if (answer.ok) {
      const found = await answer.json();
      showProgress(found);
      if (!["under way", "cut short"].includes(found.state)) return location.reload();
    } else {
      byId("live-words").textContent = `This run cannot be read any more (${answer.status}); these are the last figures.`;
    }
  } catch {
    byId("live-words").textContent = "evalkit view does not answer any more; these are the last figures.";
  }
  setTimeout(follow, EVERY_MS, address);
}

startTheme();
const list = document.querySelector("table.runs");
if (list) new RunList(list);
const legend = document.querySelector(".legend");
if (legend) startLegend(legend);
if (document.querySelector("form.choice")) startChoice();
const live = byId("live");
if (live) setTimeout(follow, EVERY_MS, live.dataset.address);
