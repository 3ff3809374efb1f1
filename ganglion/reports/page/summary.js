// The summary: the verdict, the figures, and what a reader must know.

function sentence(text) {
  return text[0].toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
}

function showSummary() {
  const s = DATA.summary;
  document.title = `${s.network}: ganglion report`;
  $("title").textContent = s.network;
  $("subtitle").textContent =
    `compiled from ${s.model} for ${s.target}; measured on ${commas(s.samples)} samples with ganglion ${DATA.version}`;
  const lost = s.first_offender !== null;
  $("verdict").classList.toggle("loss", lost);
  $("verdict").append(el("p", { class: s.verdict.length > 140 ? "" : "said" }, sentence(s.verdict)));
  if (s.advice) $("verdict").append(el("p", {}, `${s.advice}.`));
  if (lost && INDEX.has(s.first_offender[1])) {
    const [rung, name] = s.first_offender;
    const show = () => { openPanel(name); $("network").scrollIntoView(); };
    $("verdict").append(el("p", {}, "First offender: ",
      el("button", { type: "button", class: "link", onclick: show }, name), `, at ${rung}.`));
  }
  const what = s.labelled ? "right classes" : "the source's class";
  const tiles = [
    ["Source accuracy", percent(s.source_accuracy), s.labelled ? `${what}, in onnxruntime` : "no labels: it is the measure"],
    ["Network accuracy", percent(s.network_accuracy), what],
    ["Time-steps T", s.steps, "per sample"],
    ["Members τ", s.members ?? "levels", "per Group Neuron"],
    ["Neurons", short(s.neurons), `in ${s.populations} populations`],
    ["Depth", s.depth, "levels from input to readout"],
    ["Spikes", short(s.spikes_per_sample), "per sample"],
    ["Synaptic operations", short(s.operations_per_sample), "per sample"],
  ];
  if (DATA.summary.chip?.fits) {
    const { target, fits, cores, chips } = DATA.summary.chip;
    const many = (n, what) => `${commas(n)} ${what}${n === 1 ? "" : "s"}`;
    tiles.push([`Fits ${target}`, fits, chips ? `${many(cores, "core")} on ${many(chips, "chip")}` : `at least ${many(cores, "core")}`]);
  }
  for (const [term, value, detail] of tiles) {
    $("tiles").append(el("div", {}, el("dt", {}, term), el("dd", {}, String(value), el("small", {}, detail))));
  }
  for (const note of DATA.notes) $("notes").append(el("li", {}, note));
  for (const note of DATA.compiler) $("compiler").append(el("li", {}, note));
  if (!DATA.compiler.length) $("compiler").append(el("li", {}, "None."));
  const there = { sweep: DATA.sweep !== null, firing: DATA.firing.length > 0, chip: DATA.summary.chip !== null };
  for (const part of document.querySelectorAll("[data-part]")) part.hidden = !there[part.dataset.part];
}
