// What is known of one population, beside the graph; on a phone, over the lower half of the page.

let returnFocus = null;

function openPanel(name, takeFocus = false) {
  choose(name);
  const p = POPULATIONS[INDEX.get(name)], body = $("panel-body");
  $("panel-title").textContent = p.name;
  body.replaceChildren(
    el("p", { class: "muted" }, p.kind),
    facts(p.facts),
    ...section("Firing", firingFacts(p)),
    ...section("Ledger", ledgerOf(p)),
    ...section("Arrives from", neighbours(p, "source", "target")),
    ...section("Sends to", neighbours(p, "target", "source")),
    ...section("Cluster", cluster(p)),
    ...section("ONNX nodes", p.origin.length ? el("p", { class: "origin" }, p.origin.join(", ")) : null),
  );
  const opening = $("panel").hidden;
  $("panel").hidden = false;
  $("panel").scrollTop = 0;
  if (opening) refit();
  bringIntoView(name);
  if (takeFocus) { returnFocus = document.activeElement; $("panel-title").focus(); }
}

function closePanel() {
  if ($("panel").hidden) return;
  const inside = $("panel").contains(document.activeElement);
  $("panel").hidden = true;
  refit();
  if (inside || returnFocus) (returnFocus ?? $("graph")).focus({ preventScroll: true });
  returnFocus = null;
}

// The graph is narrower beside the panel: shown whole before, it is shown whole again.
function refit() {
  if (untouched) fitted();
  else cy.resize();
}

function showPanel() {
  $("panel-close").addEventListener("click", closePanel);
  document.addEventListener("keydown", event => { if (event.key === "Escape") closePanel(); });
}

function section(title, content) {
  return content === null ? [] : [el("h4", {}, title), content];
}

function facts(pairs) {
  return el("dl", { class: "facts" }, ...pairs.flatMap(([term, value]) => [el("dt", {}, term), el("dd", {}, value)]));
}

function firingFacts(p) {
  const found = DATA.spikes.find(s => s.name === p.name);
  if (!found) return null;
  const pairs = [];
  if (found.rate !== null) pairs.push(["rate", `${number(found.rate)} spikes per neuron and step`]);
  if (found.spikes !== null) pairs.push(["spikes", `${short(found.spikes)} per sample`]);
  pairs.push(["synaptic operations", `${short(found.operations)} per sample`]);
  return facts(pairs);
}

function ledgerOf(p) {
  const rows = LEDGER.rungs.map(rung => entry(rung, p.name)).filter(Boolean);
  if (!rows.length) return null;
  const last = entry(NETWORK, p.name);
  const lost = LEDGER.attributions.filter(a => a.population === p.name);
  const table = el("table", {},
    el("thead", {}, el("tr", {}, ...["rung", "error", "added here"].map(h => el("th", { scope: "col" }, h)))),
    el("tbody", {}, ...rows.slice(1).map(e => el("tr", {}, el("th", { scope: "row" }, e.rung),
      el("td", {}, percent(e.relative_error)), el("td", {}, percent(e.local_error))))));
  const pairs = lost.map(a => ["points lost", `${number(a.loss)} at ${a.rung}`]);
  if (last) {
    pairs.push(["clipped", percent(last.clipped)], ["dead neurons", percent(last.dead)], ["saturated", percent(last.saturated)],
      ["SQNR", last.sqnr_db === null ? "–" : `${number(last.sqnr_db)} dB`],
      ["membrane bits free", last.headroom_bits === null ? "–" : String(last.headroom_bits)]);
  }
  return el("div", {}, table, facts(pairs));
}

function neighbours(p, there, here) {
  const own = INDEX.get(p.name);
  const edges = DATA.edges.filter(e => e[here] === own);
  if (!edges.length) return null;
  return el("ul", { class: "links" }, ...edges.map(e => {
    const other = POPULATIONS[e[there]].name;
    return el("li", {}, el("button", { type: "button", class: "link", onclick: () => openPanel(other, true) }, other),
      e.delay ? `, delay ${e.delay}` : "", el("small", {}, e.projections.join("; ")));
  }));
}

function cluster(p) {
  if (!p.thresholds.length) return null;
  return el("div", { class: "scroll" }, el("table", {},
    el("thead", {}, el("tr", {}, ...["member", "threshold", "lateral inhibition"].map(h => el("th", { scope: "col" }, h)))),
    el("tbody", {}, ...p.thresholds.map(([k, t, r]) => el("tr", {}, el("th", { scope: "row" }, k), el("td", {}, t), el("td", {}, r))))),
    el("p", { class: "hint" }, "In membrane units; a range is over channels."));
}
