// The ledger: accuracy rung by rung, whose loss it is, and the heat map of errors.

const METRICS = {
  relative_error: ["relative error", "error against the source's activation"],
  local_error: ["error added here", "error that the rung adds in this population alone"],
};
const LISTED = 12; // attributions before the rest is folded away

function showLedger() {
  showRungs();
  showAttributions();
  for (const [key, [title]] of Object.entries(METRICS)) $("heat-metric").append(el("option", { value: key }, title));
  $("heat-metric").addEventListener("change", paintHeat);
  painters.push(paintHeat);
  followers.push(name => {
    for (const row of document.querySelectorAll("#heat tbody tr")) row.classList.toggle("chosen", row.dataset.name === name);
  });
  paintHeat();
}

function showRungs() {
  const lost = rung => LEDGER.attributions.filter(a => a.rung === rung).reduce((sum, a) => sum + a.loss, 0);
  const what = LEDGER.labelled ? "accuracy" : "class as the source";
  $("rungs").append(el("table", {},
    el("thead", {}, el("tr", {}, ...["rung", what, "points lost"].map(h => el("th", { scope: "col" }, h)))),
    el("tbody", {}, ...LEDGER.rungs.map(rung => el("tr", {}, el("th", { scope: "row" }, rung),
      el("td", {}, percent(LEDGER.accuracy[rung])), el("td", {}, lost(rung) ? number(lost(rung)) : "–"))))));
}

function showAttributions() {
  const all = [...LEDGER.attributions].sort((a, b) => Math.abs(b.loss) - Math.abs(a.loss));
  const box = $("attributions");
  box.append(el("h3", {}, all.length ? `Who loses the ${number(LEDGER.loss)} points` : "No population loses accuracy on these samples"));
  if (!all.length) return;
  box.append(el("p", { class: "hint" }, "What accuracy loses (or, negative, wins) when one population alone steps onto a rung; they add up."));
  const most = Math.max(...all.map(a => Math.abs(a.loss)));
  const item = a => el("li", {}, el("span", {},
    INDEX.has(a.population) ? el("button", { type: "button", class: "link", onclick: () => { openPanel(a.population); $("network").scrollIntoView(); } }, a.population) : a.population,
    el("small", {}, a.rung)),
    el("span", { class: "track" }, el("i", { class: a.loss < 0 ? "gain" : "loss", style: `left:0;width:${100 * Math.abs(a.loss) / most}%` })),
    el("span", { class: "value" }, number(a.loss)));
  box.append(el("ul", { class: "losses" }, ...all.slice(0, LISTED).map(item)));
  if (all.length > LISTED) {
    box.append(el("details", {}, el("summary", {}, `${all.length - LISTED} others`), el("ul", { class: "losses" }, ...all.slice(LISTED).map(item))));
  }
}

function paintHeat() {
  const metric = $("heat-metric").value, rungs = LEDGER.rungs.slice(1), offender = LEDGER.first_offender;
  const losses = new Map();
  for (const a of LEDGER.attributions) losses.set(a.population, (losses.get(a.population) ?? 0) + a.loss);
  const cell = (rung, name) => {
    const found = entry(rung, name), value = found ? found[metric] : null;
    if (value === null) return el("td", {}, "–");
    const fill = ramp("error", errorHeight(value));
    const first = offender !== null && offender.rung === rung && offender.population === name;
    return el("td", { class: first ? "cell offender" : "cell", title: first ? "first offender" : null,
      style: `background:${fill};color:${onColour(fill)}` }, value < 5e-6 ? "0" : percent(value, value < 0.1 ? 2 : 1));
  };
  const row = name => {
    const e = entry(NETWORK, name);
    return el("tr", { "data-name": name, class: name === chosen ? "chosen" : null },
      el("th", { scope: "row" }, el("button", { type: "button", class: "link", onclick: () => choose(name) }, name)),
      ...rungs.map(rung => cell(rung, name)),
      ...[number(e?.rate), percent(e?.clipped, 1), percent(e?.dead, 1), percent(e?.saturated, 1), e?.headroom_bits ?? "–",
        losses.has(name) ? number(losses.get(name)) : "–"].map(v => el("td", {}, String(v))));
  };
  const heads = ["population", ...rungs, "rate", "clipped", "dead", "saturated", "bits free", "points lost"];
  $("heat").replaceChildren(el("table", {}, el("thead", {}, el("tr", {}, ...heads.map(h => el("th", { scope: "col" }, h)))),
    el("tbody", {}, ...LEDGER.populations.length ? [...new Set(LEDGER.populations.map(e => e.name))].map(row) : [])));
  $("heat-scale").replaceChildren(el("span", {}, METRICS[metric][1] + ":"), el("span", {}, "0.1 %"),
    el("span", { class: "ramp", style: `background:${rampImage("error")}` }), el("span", {}, "100 %"));
}
