// The graph: populations where the layout puts them; pan, zoom, mouse, touch and keyboard.

const BOX = { width: 196, height: 46 };
const MANY_EDGES = 120; // beyond so many, edges are faint until their population is chosen
let cy = null;
let shownLayout = "";
let untouched = true; // nobody has moved or zoomed the graph since it was fitted

const KINDS = {
  "group neuron": ["accent-soft", "accent"],
  "relay": ["warm-soft", "warm"],
  "max pool": ["green-soft", "green"],
  "input": ["raised", "muted"],
  "readout": ["raised", "muted"],
};
const lossOf = name => LEDGER.attributions.reduce((sum, a) => sum + (a.population === name ? a.loss : 0), 0);
const COLOURS = {
  kind: { title: "kind", of: () => null },
  rate: { title: "firing rate", ramp: "rate", of: p => rateHeight(p) },
  error: { title: "relative error of its integer spikes", ramp: "error",
    of: p => { const e = entry(NETWORK, p.name); return e ? errorHeight(e.relative_error) : null; } },
  loss: { title: "points of accuracy lost", ramp: "error",
    of: p => { const most = Math.max(...LEDGER.attributions.map(a => Math.abs(a.loss)), 1e-9); return Math.max(lossOf(p.name), 0) / most; } },
};
const RATES = new Map(DATA.spikes.map(s => [s.name, s.rate]));
const PER_MEMBER = new Map(POPULATIONS.map(p => [p.name, RATES.get(p.name) == null || !p.highest ? null : RATES.get(p.name) / p.highest]));
const FASTEST = Math.max(...[...PER_MEMBER.values()].filter(v => v !== null), 1e-9);
function rateHeight(p) { const v = PER_MEMBER.get(p.name); return v === null ? null : Math.max(v, 0) / FASTEST; }

function boxColours(p) {
  const mode = COLOURS[$("graph-colour").value];
  const height = mode.of(p);
  if (height !== null) {
    const fill = ramp(mode.ramp, height);
    return { fill, border: colour("edge"), text: onColour(fill) };
  }
  const [fill, border] = $("graph-colour").value === "kind" ? KINDS[p.kind] ?? ["raised", "muted"] : ["surface", "muted"];
  return { fill: colour(fill), border: colour(border), text: colour("ink") };
}

function secondLine(p) {
  const tau = p.kind === "group neuron" || p.kind === "relay" ? ` · τ ${p.highest}` : p.kind === "max pool" ? " · max" : "";
  return `${p.level} · ${p.shape}${tau}`;
}

// Cytoscape wants the corners of an edge along (weight) and beside (distance) the line between its ends.
function corners(path) {
  const [a, b] = [path[0], path[path.length - 1]];
  const [dx, dy] = [b[0] - a[0], b[1] - a[1]];
  const length = Math.hypot(dx, dy) || 1;
  const weights = [], distances = [];
  for (const [x, y] of path.slice(1, -1)) {
    weights.push(((x - a[0]) * dx + (y - a[1]) * dy) / (length * length));
    distances.push(((y - a[1]) * dx - (x - a[0]) * dy) / length);
  }
  return { weights, distances };
}

function edgeData(e, i, layout, named) {
  const path = layout.paths[i], [s, t] = [layout.nodes[e.source], layout.nodes[e.target]];
  const { weights, distances } = corners(path);
  const end = path[path.length - 1];
  return {
    id: `e${i}`, source: `n${e.source}`, target: `n${e.target}`, delay: e.delay ? `+${e.delay}` : "",
    bent: weights.length ? 1 : 0, weights: weights.join(" "), distances: distances.join(" "),
    from: `${path[0][0] - s[0]}px ${path[0][1] - s[1]}px`, to: `${end[0] - t[0]}px ${end[1] - t[1]}px`,
    named: named.has(i) ? 1 : 0,
  };
}

function elements(layout) {
  const named = new Set(layout.labelled);
  const nodes = POPULATIONS.map((p, i) => ({
    group: "nodes", data: { id: `n${i}`, label: `${p.label}\n${secondLine(p)}`, ...boxColours(p) },
    position: { x: layout.nodes[i][0], y: layout.nodes[i][1] },
  }));
  return [...nodes, ...DATA.edges.map((e, i) => ({ group: "edges", data: edgeData(e, i, layout, named) }))];
}

function graphStyle() {
  const faint = DATA.edges.length > MANY_EDGES;
  const pill = { "text-background-color": colour("paper"), "text-background-opacity": 1, "text-background-padding": "2px", "text-background-shape": "roundrectangle" };
  return [
    { selector: "node", style: {
      shape: "round-rectangle", width: BOX.width, height: BOX.height, "background-color": "data(fill)", "border-color": "data(border)",
      "border-width": 1.5, label: "data(label)", color: "data(text)", "font-family": "system-ui, Segoe UI, Roboto, DejaVu Sans, sans-serif",
      "font-size": 13, "text-wrap": "wrap", "text-valign": "center", "text-halign": "center", "line-height": 1.3,
      "min-zoomed-font-size": 4.5, "overlay-opacity": 0, "text-max-width": BOX.width,
    } },
    { selector: "edge", style: {
      width: 1.6, "line-color": colour("edge"), "target-arrow-color": colour("edge"), "target-arrow-shape": "triangle", "arrow-scale": 0.9,
      "curve-style": "straight", "source-endpoint": "data(from)", "target-endpoint": "data(to)", opacity: 1, "overlay-opacity": 0, events: "no",
    } },
    { selector: "edge[bent = 1]", style: {
      "curve-style": "round-segments", "edge-distances": "endpoints", "segment-weights": "data(weights)", "segment-distances": "data(distances)",
      "segment-radii": 6, opacity: faint ? 0.22 : 1,
    } },
    { selector: "edge[delay != '']", style: { "line-color": colour("delayed"), "target-arrow-color": colour("delayed") } },
    { selector: "edge[named = 1], edge.outgoing[delay != '']", style: {
      "target-label": "data(delay)", "target-text-offset": 26, "font-size": 12, color: colour("delayed"), "font-weight": 600,
      "min-zoomed-font-size": 6, ...pill,
    } },
    { selector: "node.chosen", style: { "border-width": 4, "border-color": colour("ink") } },
    { selector: "edge.apart", style: { opacity: faint ? 0.07 : 0.4 } },
    { selector: "edge.incoming, edge.outgoing", style: { opacity: 1, width: 2.6, "z-index": 9 } },
  ];
}

function layoutFor(width) { return width < 620 ? "narrow" : "wide"; }

function fitted() {
  const [, , w, h] = DATA.layouts[shownLayout].box;
  const width = $("graph").clientWidth;
  const most = window.innerWidth < 720 ? 0.68 * window.innerHeight : 720;
  const height = Math.round(Math.min(Math.max(width * h / w + 24, 360), most, h * 1.15 + 60));
  $("graph").style.height = `${height}px`;
  cy.resize();
  $("panel").style.maxHeight = window.innerWidth < 720 ? "" : `${Math.max(height, 460)}px`;
  cy.fit(undefined, 18);
  if (cy.zoom() > 1.15) { cy.zoom(1.15); cy.center(); }
  untouched = true;
}

function arrange() {
  const wanted = layoutFor($("graph").clientWidth);
  if (wanted !== shownLayout) {
    shownLayout = wanted;
    cy.batch(() => {
      cy.elements().remove();
      cy.add(elements(DATA.layouts[wanted]));
    });
    mark(chosen);
  }
  fitted();
}

function mark(name) {
  cy.batch(() => {
    cy.elements().removeClass("chosen incoming outgoing apart");
    if (name === null) return;
    const node = cy.$id(`n${INDEX.get(name)}`);
    node.addClass("chosen");
    cy.edges().addClass("apart");
    node.incomers("edge").removeClass("apart").addClass("incoming");
    node.outgoers("edge").removeClass("apart").addClass("outgoing");
  });
}

function bringIntoView(name) {
  const node = cy.$id(`n${INDEX.get(name)}`), box = node.renderedBoundingBox({ includeLabels: false });
  if (cy.zoom() < 0.5) cy.zoom({ level: 0.85, position: node.position() });
  else if (box.x1 > 8 && box.y1 > 8 && box.x2 < cy.width() - 8 && box.y2 < cy.height() - 8) return;
  cy.center(node);
  untouched = false;
}

function tellChosen(name) {
  const p = POPULATIONS[INDEX.get(name)];
  $("live").textContent = `${p.name}, ${p.kind}, level ${p.level}, shape ${p.shape}`;
}

function move(step) {
  const at = chosen === null ? -1 : INDEX.get(chosen);
  const order = [...POPULATIONS.keys()].sort((a, b) => POPULATIONS[a].level - POPULATIONS[b].level || a - b);
  const next = step === "first" ? 0 : step === "last" ? order.length - 1 : order.indexOf(at) + step;
  choose(POPULATIONS[order[Math.min(Math.max(next, 0), order.length - 1)]].name);
  bringIntoView(chosen);
}

function zoomBy(factor) {
  untouched = false;
  cy.zoom({ level: cy.zoom() * factor, renderedPosition: { x: cy.width() / 2, y: cy.height() / 2 } });
}

const KEYS = {
  ArrowDown: () => move(1), ArrowRight: () => move(1), ArrowUp: () => move(-1), ArrowLeft: () => move(-1),
  Home: () => move("first"), End: () => move("last"), "+": () => zoomBy(1.3), "-": () => zoomBy(1 / 1.3), "0": fitted,
  Enter: () => { if (chosen === null) move("first"); openPanel(chosen, true); }, Escape: () => closePanel(),
};

function showLegend() {
  const mode = $("graph-colour").value, legend = $("legend");
  legend.replaceChildren();
  if (mode === "kind") {
    for (const [kind, [fill, border]] of Object.entries(KINDS)) {
      if (kind === "input" || !POPULATIONS.some(p => p.kind === kind)) continue;
      const name = kind === "readout" ? "input, readout" : kind;
      legend.append(el("span", {}, el("i", { style: `background:${colour(fill)};border-color:${colour(border)}` }), name));
    }
  } else {
    const { title, ramp: kind } = COLOURS[mode];
    const ends = { rate: ["0", `${number(FASTEST)} spikes per member and step`], error: ["0.1 %", "100 %"], loss: ["0", "most"] }[mode];
    legend.append(el("span", {}, title), el("span", {}, ends[0]), el("span", { class: "ramp", style: `background:${rampImage(kind)}` }), el("span", {}, ends[1]));
  }
  legend.append(el("span", {}, "first line: name; second: level · shape · members τ"));
}

function showGraph() {
  for (const [key, { title }] of Object.entries(COLOURS)) $("graph-colour").append(el("option", { value: key }, title));
  populationSelect("graph-population", POPULATIONS.map(p => p.name)).addEventListener("change", event => openPanel(event.target.value));
  cy = cytoscape({
    container: $("graph"), elements: [], style: graphStyle(), layout: { name: "preset" }, autoungrabify: true, boxSelectionEnabled: false,
    textureOnViewport: DATA.edges.length > MANY_EDGES, minZoom: 0.05, maxZoom: 3, userZoomingEnabled: matchMedia("(pointer: coarse)").matches,
  });
  arrange();
  cy.on("dragpan scrollzoom pinchzoom", () => { untouched = false; });
  cy.on("tap", "node", event => openPanel(POPULATIONS[Number(event.target.id().slice(1))].name));
  cy.on("mouseover", "node", () => { $("graph").style.cursor = "pointer"; });
  cy.on("mouseout", "node", () => { $("graph").style.cursor = ""; });
  $("graph").addEventListener("pointerdown", () => { $("graph").focus({ preventScroll: true }); cy.userZoomingEnabled(true); });
  $("graph").addEventListener("blur", () => cy.userZoomingEnabled(matchMedia("(pointer: coarse)").matches));
  $("graph").addEventListener("keydown", event => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in KEYS)) return;
    event.preventDefault();
    KEYS[event.key]();
  });
  $("zoom-in").addEventListener("click", () => zoomBy(1.3));
  $("zoom-out").addEventListener("click", () => zoomBy(1 / 1.3));
  $("zoom-fit").addEventListener("click", fitted);
  $("graph-colour").addEventListener("change", paintGraph);
  followers.push(name => { mark(name); tellChosen(name); });
  painters.push(paintGraph);
  showLegend();
}

function paintGraph() {
  cy.style(graphStyle());
  cy.batch(() => POPULATIONS.forEach((p, i) => cy.$id(`n${i}`).data(boxColours(p))));
  showLegend();
}
