// What all parts share: the data, elements, numbers, colours, and which population is chosen.

const DATA = JSON.parse(document.getElementById("data").textContent);
const POPULATIONS = DATA.populations;
const INDEX = new Map(POPULATIONS.map((p, i) => [p.name, i]));
const LEDGER = DATA.ledger;
const ENTRIES = new Map(LEDGER.populations.map(e => [e.rung + "\n" + e.name, e]));
const SOURCE = LEDGER.rungs[0];
const NETWORK = "integer spikes";

const $ = id => document.getElementById(id);
const entry = (rung, name) => ENTRIES.get(rung + "\n" + name);
const labelOf = name => POPULATIONS[INDEX.get(name)].label;

function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "style") made.style.cssText = value; // an attribute would be against the page's policy
    else if (value !== null && value !== false) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter(child => child !== null && child !== undefined));
  return made;
}

const number = (v, digits = 3) => {
  if (v === null || v === undefined) return "–";
  if (v !== 0 && Math.abs(v) < 0.001) return v.toExponential(1).replaceAll("-", "−");
  return String(Number(v.toPrecision(digits))).replace("-", "−");
};
const percent = (v, digits = 2) => (v === null || v === undefined ? "–" : `${(100 * v).toFixed(digits)}\u00a0%`);
function short(v) {
  if (v === null || v === undefined) return "–";
  for (const [unit, sign] of [[1e9, " G"], [1e6, " M"], [1e3, " k"]]) {
    if (v >= unit) return (v / unit).toPrecision(3) + sign;
  }
  return v >= 100 || Number.isInteger(v) ? String(Math.round(v)) : v.toPrecision(3);
}
const commas = v => Math.round(v).toLocaleString("en");

// ---- colours: as the style sheet has them now, and ramps that are told apart by lightness alone

const palette = new Map(); // asking the style sheet costs a layout: each colour is asked for once
function colour(name) {
  if (!palette.has(name)) palette.set(name, getComputedStyle(document.documentElement).getPropertyValue("--" + name).trim());
  return palette.get(name);
}
const isDark = () => document.documentElement.dataset.theme !== "light" && matchMedia("(prefers-color-scheme: dark)").matches;
let dark = isDark();
const SERIES = () => ["accent", "warm", "green", "violet", "edge", "ink"].map(colour);
const RAMPS = {
  error: { light: ["#fdf3e7", "#fbcf9d", "#ee8a4a", "#c2410c", "#6f1a07"], dark: ["#232b33", "#573420", "#9c4a1c", "#e27a35", "#ffd9b0"] },
  rate: { light: ["#eef5fa", "#b8d9ee", "#64abd6", "#1c74ae", "#0a3a63"], dark: ["#202b35", "#1c435f", "#22709f", "#57a9dc", "#cfeaff"] },
};
const rgb = hex => [1, 3, 5].map(i => parseInt(hex.slice(i, i + 2), 16));

function ramp(kind, t) {
  const stops = RAMPS[kind][dark ? "dark" : "light"].map(rgb);
  const at = Math.min(Math.max(t, 0), 1) * (stops.length - 1);
  const i = Math.min(Math.floor(at), stops.length - 2);
  const mixed = stops[i].map((v, c) => Math.round(v + (stops[i + 1][c] - v) * (at - i)));
  return `#${mixed.map(v => v.toString(16).padStart(2, "0")).join("")}`;
}
function luminance(hex) {
  const [r, g, b] = rgb(hex).map(v => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  return 0.2126 * r + 0.7152 * g + 0.0722 * b;
}
const onColour = hex => (luminance(hex) > 0.26 ? "#10161d" : "#ffffff");
const rampImage = kind => `linear-gradient(90deg, ${[0, 0.25, 0.5, 0.75, 1].map(t => ramp(kind, t)).join(", ")})`;
const errorHeight = e => (e <= 0 ? 0 : (Math.log10(e) + 3) / 3); // 0.1 % is the lightest, 100 % the darkest

// ---- the chosen population, which all parts follow

const followers = [];
let chosen = null;
function choose(name) {
  if (name === chosen || !INDEX.has(name)) return;
  chosen = name;
  for (const follow of followers) follow(name);
}

function populationSelect(id, names) {
  const select = $(id);
  for (const name of names) select.append(el("option", { value: name }, name));
  select.addEventListener("change", () => choose(select.value));
  followers.push(name => { if (names.includes(name)) select.value = name; });
  return select;
}

// ---- drawn again when colours change

const painters = [];
function repaint() {
  palette.clear();
  dark = isDark();
  for (const paint of painters) paint();
}
