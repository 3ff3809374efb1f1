// The spikes of one sample: of all populations as they pass through the network, or of one, neuron by neuron.

const WHOLE = "(all populations)";
const TICKS = 16; // members that are drawn one by one; of more, a mark's opacity tells how many fired

function waveOption() {
  const sample = Number($("raster-sample").value), T = DATA.summary.steps;
  const names = Object.keys(DATA.raster.populations), points = [];
  names.forEach((name, row) => {
    const p = POPULATIONS[INDEX.get(name)];
    DATA.raster.populations[name].totals[sample].forEach((spikes, t) => {
      if (spikes) points.push([p.level + t, row, spikes / p.neurons / Math.max(p.highest, 1), spikes]);
    });
  });
  const most = Math.max(...points.map(p => p[2]), 1e-9), deep = DATA.summary.depth + T;
  const box = $("raster-plot"), size = [Math.max(2, (box.clientWidth - 190) / deep - 1), Math.max(4, (box.clientHeight - 60) / names.length - 1.5)];
  return base({
    legend: { show: false }, grid: { top: 10 },
    tooltip: { formatter: p => `${names[p.value[1]].replaceAll("<", "&lt;")}<br>step ${p.value[0]}: ${commas(p.value[3])} spikes, ${number(p.value[2])} per member` },
    xAxis: axis("time-step of the whole network", { type: "value", min: 0, max: deep, minInterval: 1, splitLine: { show: false } }),
    yAxis: axis("", { type: "category", data: names.map(labelOf), inverse: true, axisLabel: { interval: names.length > 40 ? "auto" : 0, fontSize: 11 } }),
    series: [{ type: "scatter", symbol: "rect", symbolSize: size, symbolOffset: ["50%", 0], silent: false,
      data: points.map(p => ({ value: p, itemStyle: { color: ramp("rate", 0.3 + 0.7 * p[2] / most) } })) }],
  });
}

function neuronOption(name) {
  const sample = Number($("raster-sample").value), { neurons, counts } = DATA.raster.populations[name];
  const p = POPULATIONS[INDEX.get(name)], T = DATA.summary.steps, tau = Math.max(p.highest, 1), points = [];
  counts[sample].forEach((row, t) => row.forEach((n, i) => {
    if (tau > TICKS) { if (n) points.push([t + 0.5, i, n]); return; }
    for (let k = 0; k < n; k++) points.push([t + (k + 0.5) / tau, i, n]);
  }));
  const box = $("raster-plot"), room = (box.clientWidth - 90) / T, high = Math.max(3, (box.clientHeight - 60) / neurons.length - 1);
  const wide = tau > TICKS ? room * 0.9 : Math.max(2, Math.min(room / tau - 1, 14));
  return base({
    legend: { show: false }, grid: { top: 10 },
    tooltip: { formatter: m => `neuron ${neurons[m.value[1]]}, step ${Math.floor(m.value[0]) + 1}: ${m.value[2]} of ${tau}` },
    xAxis: axis(tau > 1 && tau <= TICKS ? `time-step; within each, members 1 to ${tau}` : "time-step",
      { type: "value", min: 0, max: T, interval: 1, axisLabel: { formatter: v => (v < T ? `${v + 1}` : ""), align: "left", padding: [0, 0, 0, 4] } }),
    yAxis: axis("neuron", { type: "category", data: neurons.map(String), inverse: true, nameGap: 48 }),
    series: [{ type: "scatter", symbol: "rect", symbolSize: [wide, high], large: false,
      data: points.map(v => ({ value: v, itemStyle: { color: colour("accent"), opacity: tau > TICKS ? 0.15 + 0.85 * v[2] / tau : 0.95 } })) }],
  });
}

function rasterOption() {
  const name = $("raster-population").value;
  const whole = name === WHOLE;
  const shown = whole ? null : DATA.raster.populations[name], p = whole ? null : POPULATIONS[INDEX.get(name)];
  $("raster-note").textContent = whole
    ? "The stronger, the more members fire. A window of T steps moves down one level with every step."
    : `${shown.neurons.length} of ${commas(p.neurons)} neurons, evenly spaced` +
      (p.highest > TICKS ? `; the stronger, the more of the ${p.highest} members fire.` : p.highest > 1 ? "; each mark is one member that fires." : ".");
  return whole ? waveOption() : neuronOption(name);
}

function showRaster() {
  const names = Object.keys(DATA.raster.populations);
  DATA.raster.classes.forEach((c, i) => $("raster-sample").append(el("option", { value: i }, `${i}, class ${c}`)));
  $("raster-lead").textContent = "How the spikes of a sample pass through the network, and which neurons of a population fire.";
  $("raster-population").append(el("option", { value: WHOLE }, WHOLE));
  populationSelect("raster-population", names);
  $("raster-plot").style.height = `${Math.min(Math.max(320, 18 * names.length + 70), 620)}px`;
  for (const id of ["raster-sample", "raster-population"]) $(id).addEventListener("change", () => redraw("raster-plot"));
  followers.push(() => redraw("raster-plot"));
  addChart("raster-plot", rasterOption);
}
