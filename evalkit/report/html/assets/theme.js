// System colours, or light or dark ones by choice.

const THEMES = ["system", "light", "dark"];
const themeListeners = [];

function setTheme(theme) {
  if (theme === "system") delete document.documentElement.dataset.theme;
  else document.documentElement.dataset.theme = theme;
  byId("theme").textContent = `Theme: ${theme}`;
  for (const listener of themeListeners) listener();
}

function startTheme() {
  let theme = remembered("theme");
  if (!THEMES.includes(theme)) theme = "system";
  setTheme(theme);
  byId("theme").addEventListener("click", () => {
    theme = THEMES[(THEMES.indexOf(theme) + 1) % THEMES.length];
    remembered("theme", theme);
    setTheme(theme);
  });
  // What is drawn on a canvas does not follow the style of paper by itself.
  addEventListener("beforeprint", () => setTheme("light"));
  addEventListener("afterprint", () => setTheme(theme));
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => themeListeners.forEach((one) => one()));
}

/** The colour that a class gives to text, in the theme in force. */
function colourOf(className) {
  const probe = make("span", { className, hidden: true });
  document.body.append(probe);
  const colour = getComputedStyle(probe).color;
  probe.remove();
  return colour;
}
