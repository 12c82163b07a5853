// The distribution of latencies, one line per candidate.

const DASHES = [[], [6, 4], [2, 3]];
const TICK_PX = 70;

/** Ticks of a logarithmic axis: 1, 2 and 5 of every decade, or 1 alone where there is no room. */
function logTicks(chart, _, low, high) {
  const first = Math.floor(Math.log10(low));
  const decades = Array.from({ length: Math.ceil(Math.log10(high)) - first + 1 }, (_, at) => 10 ** (first + at));
  const inside = (ticks) => ticks.filter((tick) => tick >= low && tick <= high);
  const ticks = inside(decades.flatMap((decade) => [1, 2, 5].map((digit) => digit * decade)));
  return ticks.length * TICK_PX > chart.width ? inside(decades) : ticks;
}

function startLatency(data) {
  const place = byId("latency");
  if (!data.latency) {
    place.append(make("p", { className: "quiet" }, "No answer was timed."));
    return;
  }
  const timed = data.candidates.map((one, at) => ({ ...one, at })).filter((one) => data.latency.shares[one.at]);
  const points = [data.latency.ms, ...timed.map((one) => data.latency.shares[one.at])];
  let chart = null;
  const draw = () => {
    const hidden = chart ? chart.series.map((series) => series.show) : [];
    if (chart) chart.destroy();
    chart = new uPlot(latencyOptions(data, timed, place.clientWidth), points, place);
    hidden.forEach((shown, at) => at && !shown && chart.setSeries(at, { show: false }));
  };
  draw();
  themeListeners.push(draw);
  new ResizeObserver(() => {
    if (chart.width !== place.clientWidth) chart.setSize({ width: place.clientWidth, height: chart.height });
  }).observe(place);
}

function latencyOptions(data, timed, width) {
  const grid = { stroke: colourOf("grid-colour"), width: 1 };
  const axis = { stroke: colourOf("quiet"), grid, ticks: grid, font: "12px system-ui, sans-serif" };
  const percent = (share) => (share == null ? "" : `${Number((100 * share).toFixed(1))} %`);
  const time = (ms) => (ms == null ? "" : show.latency_ms(ms));
  const short = (ms) => (ms == null ? "" : ms >= 1000 ? `${Number((ms / 1000).toPrecision(3))} s` : `${Number(ms.toPrecision(3))} ms`);
  return {
    width,
    height: 300,
    scales: { x: { time: false, distr: data.latency.log ? 3 : 1, range: (_, low, high) => [low, high] }, y: { range: [0, 1] } },
    axes: [
      { ...axis, values: (_, ticks) => ticks.map(short), space: TICK_PX, ...(data.latency.log ? { splits: logTicks, filter: (_, ticks) => ticks } : {}) },
      { ...axis, values: (_, ticks) => ticks.map(percent), size: 60 },
    ],
    series: [
      { label: "latency", value: (_, ms) => time(ms) },
      ...timed.map((one) => ({
        label: one.name,
        stroke: colourOf(`${data.colours[one.at]} ink`),
        width: 2,
        dash: DASHES[["s1", "s2"].findIndex((style) => data.colours[one.at].includes(style)) + 1],
        paths: uPlot.paths.stepped({ align: 1 }),
        points: { show: false },
        value: (_, share) => percent(share),
      })),
    ],
  };
}
