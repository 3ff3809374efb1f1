// The plots. Each is drawn when it first comes into view, and again when colours or sizes change.

const charts = new Map(); // by element id: { chart, option }

function addChart(id, option, renderer = "svg") {
  const made = { chart: null, option, renderer };
  charts.set(id, made);
  const seen = new IntersectionObserver(entries => {
    if (entries.some(e => e.isIntersecting)) { seen.disconnect(); draw(id); }
  }, { rootMargin: "300px" });
  seen.observe($(id));
}
function draw(id) {
  const made = charts.get(id);
  if (!made || $(id).offsetParent === null) return;
  made.chart ??= echarts.init($(id), null, { renderer: made.renderer });
  made.chart.setOption(made.option(), { notMerge: true });
}
const redraw = id => { if (charts.get(id)?.chart) draw(id); };
const drawAll = () => { for (const id of charts.keys()) draw(id); };
painters.push(() => { for (const id of charts.keys()) redraw(id); });

// ---- what all plots look like

const narrow = () => window.innerWidth < 720;
const textStyle = () => ({ fontFamily: colour("sans"), fontSize: 12, color: colour("ink") });
function axis(name, more = {}) {
  return {
    name, nameLocation: "middle", nameGap: 28, nameTextStyle: { color: colour("muted"), fontSize: 12 },
    axisLine: { lineStyle: { color: colour("line") } }, axisTick: { show: false },
    axisLabel: { color: colour("muted"), hideOverlap: true, ...more.axisLabel },
    splitLine: { show: more.type !== "category", lineStyle: { color: colour("line"), opacity: 0.7 } },
    ...Object.fromEntries(Object.entries(more).filter(([k]) => k !== "axisLabel")),
  };
}
function base(more) {
  return {
    animation: false, textStyle: textStyle(), color: SERIES(), aria: { enabled: true },
    tooltip: { confine: true, backgroundColor: colour("surface"), borderColor: colour("line"), textStyle: { color: colour("ink"), fontSize: 12 }, ...more.tooltip },
    grid: { left: 12, right: 18, top: 40, bottom: 8, outerBoundsMode: "same", outerBoundsContain: "all", ...more.grid },
    legend: { top: 0, right: 0, itemWidth: 18, itemHeight: 10, textStyle: { color: colour("ink") }, inactiveColor: colour("line"), ...more.legend },
    ...Object.fromEntries(Object.entries(more).filter(([k]) => !["tooltip", "grid", "legend"].includes(k))),
  };
}
const diagonal = (to, from = [0, 0]) => ({
  silent: true, symbol: "none", animation: false, label: { show: false }, lineStyle: { color: colour("muted"), type: "dashed", width: 1.2 },
  data: [[{ coord: from }, { coord: to }]],
});

// ---- spikes against activations

function tidy(v) { // the next number away from 0 that an axis may end at
  if (v === 0) return 0;
  const step = 10 ** Math.floor(Math.log10(Math.abs(v))) / 2;
  return Number((Math.sign(v) * Math.ceil(Math.abs(v) / step) * step).toPrecision(3));
}
function scatterOption() {
  const name = $("scatter-population").value, points = LEDGER.points[name] ?? [];
  const all = points.flat(), low = Math.min(0, ...all), high = Math.max(...all, 1e-9);
  const limits = { min: tidy(low), max: tidy(high), type: "value" };
  return base({
    legend: { show: false }, grid: { top: 14 },
    tooltip: { formatter: p => `source ${number(p.value[0])}<br>spikes ${number(p.value[1])}` },
    xAxis: axis("the source's activation", limits), yAxis: axis("what the spikes stand for", { ...limits, nameGap: 44 }),
    series: [{ type: "scatter", data: points, symbolSize: 7, itemStyle: { color: colour("accent"), opacity: 0.45 },
      markLine: diagonal([high, high], [low, low]) }],
  });
}

function profileOption() {
  const name = $("scatter-population").value, rungs = LEDGER.rungs.slice(1);
  const series = [["against the source", "relative_error", "accent"], ["added on this rung", "local_error", "warm"]];
  return base({
    tooltip: { trigger: "axis", valueFormatter: v => percent(v) },
    xAxis: axis("", { type: "category", data: rungs, axisLabel: { interval: 0, rotate: narrow() ? 40 : 25, fontSize: 11 } }),
    yAxis: axis("", { type: "value", axisLabel: { formatter: v => `${number(100 * v)} %` } }),
    series: series.map(([label, key, shade]) => ({ name: label, type: "bar", barGap: "0%",
      data: rungs.map(rung => entry(rung, name)?.[key] ?? null), itemStyle: { color: colour(shade), borderRadius: [3, 3, 0, 0] } })),
  });
}

// ---- T and tau

const SYMBOLS = ["circle", "rect", "triangle", "diamond", "pin", "arrow"];
const tauName = m => (m === 1 ? "τ = 1 (IF)" : m === "levels" ? "τ = levels" : `τ = ${m}`);
function sweepOption(value, format, more) {
  const rows = DATA.sweep.rows.filter(r => r.problem === ""), taus = [...new Set(rows.map(r => r.members))];
  const steps = [...new Set(rows.map(r => r.steps))].sort((a, b) => a - b);
  const shades = [colour("accent"), colour("green"), colour("violet"), colour("edge"), colour("ink")];
  const shade = tau => (tau === 1 ? colour("warm") : shades[taus.filter(m => m !== 1).indexOf(tau) % shades.length]);
  const series = taus.map((tau, i) => ({
    itemStyle: { color: shade(tau) },
    name: tauName(tau), type: "line", symbol: SYMBOLS[i % SYMBOLS.length], symbolSize: 9, lineStyle: { color: shade(tau), width: 2.2, type: tau === 1 ? "dashed" : "solid" },
    data: steps.map(t => { const r = rows.find(r => r.members === tau && r.steps === t); return r ? value(r) : null; }), connectNulls: true,
  }));
  const source = more.source ?? null;
  if (source !== null && series.length) {
    series[0].markLine = { silent: true, symbol: "none", lineStyle: { color: colour("muted"), type: "dotted", width: 1.5 },
      label: { show: false }, data: [{ yAxis: source }] };
  }
  return base({
    tooltip: { trigger: "axis", valueFormatter: format, axisPointer: { lineStyle: { color: colour("muted") } } },
    xAxis: axis("time-steps T", { type: "category", data: steps.map(String), boundaryGap: true }),
    yAxis: axis("", { ...more.yAxis, axisLabel: { formatter: more.tick ?? format } }), series,
  });
}
function showSweep() {
  if (DATA.sweep === null) return;
  const labelled = DATA.sweep.ann_accuracy !== null, share = r => (labelled ? r.accuracy : r.agreement);
  $("sweep-what").textContent = labelled ? `Accuracy; dotted: the source, ${percent(DATA.sweep.ann_accuracy, 1)}` : "Samples with the source's class";
  const low = Math.min(...DATA.sweep.rows.filter(r => r.problem === "").map(share));
  addChart("sweep-accuracy", () => sweepOption(share, v => percent(v, 1), {
    source: labelled ? DATA.sweep.ann_accuracy : null, tick: v => percent(v, 0), yAxis: { min: Math.max(0, Math.floor(low * 10 - 0.4) / 10), max: 1 } }));
  addChart("sweep-spikes", () => sweepOption(r => r.spikes_per_sample, short, { yAxis: { type: "log" } }));
  const heads = ["T", "τ", "accuracy", "as the source", "spikes", "synaptic operations"];
  $("sweep-table").append(el("table", {}, el("thead", {}, el("tr", {}, ...heads.map(h => el("th", { scope: "col" }, h)))),
    el("tbody", {}, ...DATA.sweep.rows.map(r => el("tr", {}, ...[r.steps, r.members,
      ...r.problem ? ["does not fit", "–", "–", "–"] : [percent(r.accuracy), percent(r.agreement), short(r.spikes_per_sample), short(r.operations_per_sample)],
    ].map(v => el("td", {}, String(v))))))));
}

// ---- integrate-and-fire beside Group Neurons

function firingOption() {
  const names = DATA.firing.map(f => labelOf(f.name)), many = names.length > 24;
  return base({
    tooltip: { trigger: "axis", valueFormatter: v => number(v) },
    xAxis: axis("", { type: "category", data: names, axisLabel: { rotate: 40, show: !many, interval: 0, fontSize: 11, width: 120, overflow: "truncate" } }),
    yAxis: axis("", { type: "value" }),
    series: [["integrate-and-fire, τ = 1", "plain", "warm"], ["Group Neuron", "group", "accent"]].map(([name, key, shade]) => (
      { name, type: many ? "line" : "bar", step: many && "middle", symbol: "none", lineStyle: { width: 1.4, color: colour(shade) },
        data: DATA.firing.map(f => f[key]), itemStyle: { color: colour(shade), borderRadius: [3, 3, 0, 0] }, barGap: "0%" })),
  });
}
function pairsOption() {
  const found = DATA.firing.find(f => f.name === $("firing-population").value);
  const limits = { type: "value", min: 0, max: 1 };
  return base({
    legend: { show: false }, grid: { top: 14 },
    tooltip: { formatter: p => `IF ${number(p.value[0])}<br>Group Neuron ${number(p.value[1])}` },
    xAxis: axis("rate of the integrate-and-fire neuron", limits), yAxis: axis("rate of the Group Neuron", { ...limits, nameGap: 34 }),
    series: [{ type: "scatter", data: found ? found.pairs : [], symbolSize: 7, itemStyle: { color: colour("accent"), opacity: 0.4 }, markLine: diagonal([1, 1]) }],
  });
}
function showFiring() {
  if (!DATA.firing.length) return;
  $("firing-lead").textContent =
    `The same network with τ = 1, at the same T = ${DATA.summary.steps} and on the same samples. A rate is in spikes per member and ` +
    `time-step. Plain neurons know ${DATA.summary.steps + 1} rates, Group Neurons τ times as many steps between silence and always; ` +
    "points off the line are what plain neurons cannot say in this time. Neurons that are silent in both are left out.";
  populationSelect("firing-population", DATA.firing.map(f => f.name)).addEventListener("change", () => redraw("firing-pairs"));
  followers.push(() => redraw("firing-pairs"));
  addChart("firing-means", firingOption);
  addChart("firing-pairs", pairsOption);
}

// ---- what each layer costs

function costOption(key, shade) {
  const rows = DATA.spikes.filter(s => s[key] !== null), names = rows.map(s => labelOf(s.name)), values = rows.map(s => s[key]);
  const category = { type: "category", data: names }, value = { type: "value", axisLabel: { formatter: v => short(v) } };
  const upright = rows.length > 40;
  const bar = { type: "bar", data: values, itemStyle: { color: colour(shade), borderRadius: upright ? 0 : [0, 3, 3, 0] }, barCategoryGap: upright ? "10%" : "30%" };
  const common = { legend: { show: false }, series: [bar], tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, valueFormatter: v => commas(v) } };
  if (upright) return base({ ...common, grid: { top: 10, bottom: 8 }, xAxis: axis("", { ...category, axisLabel: { show: false } }), yAxis: axis("", value) });
  return base({ ...common, grid: { top: 4, bottom: 8 }, xAxis: axis("", value),
    yAxis: axis("", { ...category, inverse: true, axisLabel: { interval: 0, width: narrow() ? 110 : 170, overflow: "truncate", fontSize: 11 } }) });
}
function showCosts() {
  for (const [id, key, shade] of [["layer-spikes", "spikes", "accent"], ["layer-operations", "operations", "violet"]]) {
    const rows = DATA.spikes.filter(s => s[key] !== null).length;
    $(id).style.height = `${rows > 40 ? 320 : Math.max(200, 24 * rows + 40)}px`;
    addChart(id, () => costOption(key, shade));
  }
}

function showScatter() {
  const paint = () => { redraw("scatter"); redraw("profile"); };
  populationSelect("scatter-population", Object.keys(LEDGER.points)).addEventListener("change", paint);
  followers.push(paint);
  addChart("scatter", scatterOption);
  addChart("profile", profileOption);
}
