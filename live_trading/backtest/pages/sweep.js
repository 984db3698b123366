"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const amount = (value) => value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const axes = data.axes, measures = data.measures.map(([name, title, kind, less, neutral]) => ({ name, title, kind, less, neutral }));
const ran = data.rows.filter((row) => row[1] !== null), failed = data.rows.filter((row) => row[1] === null);
const [AT, FIGURES, ERROR] = [0, 1, 2];
const placeOf = (name) => measures.findIndex((each) => each.name === name);

function spell(value, kind) {
  if (value === null) return "–";
  if (kind === "money") return amount(value);
  if (kind === "share") return (value * 100).toFixed(2) + "%";
  if (kind === "ratio") return value.toFixed(2);
  if (kind === "time") {
    const days = Math.floor(value / 86400), hours = Math.floor((value % 86400) / 3600), minutes = Math.round((value % 3600) / 60);
    return days ? `${days} d ${hours} h` : hours ? `${hours} h ${minutes} min` : `${minutes} min`;
  }
  return value.toLocaleString("en-US");
}

function tone(value, measure) {
  if (value === null || measure.neutral === null || value === measure.neutral) return "";
  return value > measure.neutral ? "good" : "bad";
}

function cell(row, text, kind) {
  const place = row.insertCell();
  place.textContent = text;
  if (kind) place.className = kind;
  return place;
}

const named = (row) => row[AT].map((place, axis) => `${axes[axis][0]} ${axes[axis][1][place]}`).join(", ");

// ---- the best of each

for (const name of ["net_profit", "sharpe", "profit_factor", "max_drawdown"]) {
  const place = placeOf(name), measure = measures[place];
  const known = ran.filter((row) => row[FIGURES][place] !== null);
  if (!known.length) continue;
  const best = known.reduce((one, other) => ((other[FIGURES][place] - one[FIGURES][place]) * (measure.less ? -1 : 1) > 0 ? other : one));
  const tile = document.createElement("div"), label = document.createElement("span"), value = document.createElement("strong"), where = document.createElement("span");
  tile.className = "tile";
  label.textContent = `${measure.less ? "Smallest" : "Best"}: ${measure.title}`;
  value.textContent = spell(best[FIGURES][place], measure.kind) + (measure.kind === "money" ? ` ${data.currency}` : "");
  value.className = tone(best[FIGURES][place], measure);
  where.textContent = named(best);
  tile.append(label, value, where);
  element("best").append(tile);
}

// ---- the map: the first parameter down, the second across

let chosen = Math.max(0, placeOf(data.sort));

function drawMap() {
  if (axes.length !== 2) return;
  const measure = measures[chosen], table = element("map"), [[down, downs], [across, acrosses]] = axes;
  element("map-title").textContent = `${measure.title} by ${down} and ${across}`;
  const at = new Map(data.rows.map((row) => [row[AT].join(), row]));
  const values = ran.map((row) => row[FIGURES][chosen]).filter((value) => value !== null);
  const low = Math.min(...values), high = Math.max(...values);
  const reach = measure.neutral === null ? 0 : Math.max(high - measure.neutral, measure.neutral - low) || 1;
  const paint = (value) => {
    if (measure.neutral !== null) {
      const share = (value - measure.neutral) / reach;
      return [share < 0 ? "var(--down)" : "var(--up)", Math.abs(share)];
    }
    const share = high > low ? (value - low) / (high - low) : 0.5;
    return ["var(--accent)", measure.less ? 1 - share : share];
  };
  table.textContent = "";
  const head = table.createTHead().insertRow(), corner = document.createElement("th");
  corner.textContent = `${down} ↓  ${across} →`;
  head.append(corner, ...acrosses.map((text) => Object.assign(document.createElement("th"), { textContent: text })));
  const body = table.createTBody();
  downs.forEach((text, y) => {
    const line = body.insertRow();
    line.append(Object.assign(document.createElement("th"), { textContent: text }));
    acrosses.forEach((_, x) => {
      const row = at.get(`${y},${x}`), place = line.insertCell();
      if (!row) return;
      const value = row[FIGURES] === null ? null : row[FIGURES][chosen];
      place.title = row[FIGURES] === null ? `${named(row)}: ${row[ERROR]}` : `${named(row)}: ${measure.title} ${spell(value, measure.kind)}`;
      place.textContent = row[FIGURES] === null ? "×" : spell(value, measure.kind);
      if (value === null) { place.className = "none"; return; }
      const [colour, strength] = paint(value);
      place.style.background = `color-mix(in srgb, ${colour} ${Math.round(8 + 72 * strength)}%, var(--card))`;
    });
  });
  element("legend-low").textContent = values.length ? spell(low, measure.kind) : "";
  element("legend-high").textContent = values.length ? spell(high, measure.kind) : "";
  const stops = [0, 0.25, 0.5, 0.75, 1].map((share) => {
    const [colour, strength] = paint(low + (high - low) * share);
    return `color-mix(in srgb, ${colour} ${Math.round(8 + 72 * strength)}%, var(--card))`;
  });
  element("legend").style.background = values.length ? `linear-gradient(to right, ${stops.join(", ")})` : "none";
}
element("measure").addEventListener("change", (event) => { chosen = placeOf(event.target.value); drawMap(); });
drawMap();

// ---- the list

const MOST_ROWS = 2000;
const titles = [...axes.map(([name]) => name), ...measures.map((each) => each.title)];
const order = [...ran];
let sorted = { column: axes.length + Math.max(0, placeOf(data.sort)), way: null };
const keyOf = (row, column) => (column < axes.length ? row[AT][column] : row[FIGURES][column - axes.length]);

const headings = titles.map((title, column) => {
  const heading = document.createElement("th");
  heading.textContent = title;
  heading.addEventListener("click", () => sort(column));
  return heading;
});
document.querySelector("#rows thead tr").append(...headings);

function fill() {
  const body = document.querySelector("#rows tbody");
  body.textContent = "";
  for (const row of order.slice(0, MOST_ROWS)) {
    const line = body.insertRow();
    row[AT].forEach((place, axis) => cell(line, axes[axis][1][place], "name"));
    measures.forEach((measure, place) => cell(line, spell(row[FIGURES][place], measure.kind), tone(row[FIGURES][place], measure)));
  }
}

// The best first; a second click turns it round. What has no figure comes last either way.
function sort(column) {
  const best = column < axes.length || measures[column - axes.length].less ? 1 : -1;
  const way = sorted.column === column && sorted.way !== null ? -sorted.way : best;
  sorted = { column, way };
  order.sort((one, other) => {
    const a = keyOf(one, column), b = keyOf(other, column);
    if (a === null || b === null) return (a === null) - (b === null);
    return (a - b) * way;
  });
  headings.forEach((heading, place) => {
    if (place === column) heading.setAttribute("aria-sort", way > 0 ? "ascending" : "descending");
    else heading.removeAttribute("aria-sort");
  });
  fill();
}
element("count").textContent = order.length > MOST_ROWS ? `the first ${MOST_ROWS} of ${order.length}; choose a heading to sort` : `${order.length}; choose a heading to sort`;
sort(sorted.column);

if (failed.length) {
  element("failures").hidden = false;
  element("failed-count").textContent = `${failed.length}`;
  document.querySelector("#failed thead tr").append(...[...axes.map(([name]) => name), "Why"].map((text) => Object.assign(document.createElement("th"), { textContent: text, className: text === "Why" ? "why" : "" })));
  for (const row of failed.slice(0, MOST_ROWS)) {
    const line = document.querySelector("#failed tbody").insertRow();
    row[AT].forEach((place, axis) => cell(line, axes[axis][1][place], "name"));
    cell(line, row[ERROR], "why");
  }
}
