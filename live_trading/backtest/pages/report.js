"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const element = (id) => document.getElementById(id);
const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const amount = (value) => value.toLocaleString("en-US", { minimumFractionDigits: 2, maximumFractionDigits: 2 });
const price = (value) => value.toFixed(data.digits);
const when = (seconds) => new Date(seconds * 1000).toISOString().slice(0, 19).replace("T", " ");
const [SIDE, IN_AT, IN_PRICE, OUT_AT, OUT_PRICE, QUANTITY, NET, BY, HELD] = [0, 1, 2, 3, 4, 5, 6, 7, 8];

// A canvas as sharp as the screen, drawn again when its size or the colour scheme changes.
function surface(id, draw) {
  const canvas = element(id), height = canvas.height, context = canvas.getContext("2d");
  const paint = () => {
    const scale = window.devicePixelRatio || 1, width = canvas.clientWidth;
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.height = height + "px";
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    context.font = "11px system-ui, sans-serif";
    draw(context, width, height);
  };
  new ResizeObserver(paint).observe(canvas.parentElement);
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", paint);
  return { canvas, paint };
}

// Round numbers between two bounds, about as many as asked for.
function marks(low, high, count) {
  const raw = (high - low) / count || 1, power = 10 ** Math.floor(Math.log10(raw));
  const step = [1, 2, 2.5, 5, 10].map((each) => each * power).find((each) => each >= raw);
  const found = [];
  for (let value = Math.ceil(low / step) * step; value <= high + step * 1e-9; value += step) found.push(value);
  return found;
}

function firstAtLeast(list, value, of = (each) => each) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (of(list[middle]) < value) low = middle + 1; else high = middle;
  }
  return low;
}

const RIGHT = 78;

function grid(context, box, low, high, words) {
  context.strokeStyle = colour("--line");
  context.fillStyle = colour("--soft");
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.lineWidth = 1;
  for (const mark of marks(low, high, Math.max(2, Math.round(box.height / 32)))) {
    const y = Math.round(box.top + (1 - (mark - low) / (high - low)) * box.height) + 0.5;
    context.beginPath();
    context.moveTo(box.left, y);
    context.lineTo(box.left + box.width, y);
    context.stroke();
    context.fillText(words(mark), box.left + box.width + 8, y);
  }
}

function dates(context, box, timeAt, bottom) {
  context.fillStyle = colour("--soft");
  context.textBaseline = "bottom";
  context.textAlign = "center";
  const span = timeAt(box.left + box.width) - timeAt(box.left);
  const count = Math.max(2, Math.floor(box.width / 130));
  for (let each = 0; each < count; each++) {
    const x = box.left + ((each + 0.5) * box.width) / count, text = when(timeAt(x));
    context.fillText(span > 200 * 86400 ? text.slice(0, 7) : span > 4 * 86400 ? text.slice(0, 10) : text.slice(5, 16), x, bottom);
  }
}

// ---- equity and drawdown

const equity = data.equity;
let high = data.capital;
const fallen = equity.map(([, value]) => { high = Math.max(high, value); return value - high; });
let pointed = null;

const equityChart = surface("equity", (context, width, height) => {
  if (equity.length < 2) return;
  const box = { left: 4, top: 22, width: width - RIGHT, height: 176 };
  const under = { left: 4, top: 218, width: width - RIGHT, height: height - 240 };
  const begin = equity[0][0], end = equity[equity.length - 1][0];
  const x = (time) => box.left + ((time - begin) / (end - begin)) * box.width;
  let low = data.capital, top = data.capital, deepest = 0;
  for (const [, value] of equity) { low = Math.min(low, value); top = Math.max(top, value); }
  for (const value of fallen) deepest = Math.min(deepest, value);
  const room = (top - low || 1) * 0.06;
  low -= room; top += room;
  deepest = deepest || -1;
  const y = (value) => box.top + (1 - (value - low) / (top - low)) * box.height;
  const depth = (value) => under.top + (value / deepest) * under.height;
  const thousands = (value) => value.toLocaleString("en-US", { maximumFractionDigits: 0 });
  grid(context, box, low, top, thousands);
  grid(context, under, deepest, 0, thousands);

  context.strokeStyle = colour("--soft");
  context.setLineDash([3, 4]);
  context.beginPath(); context.moveTo(box.left, y(data.capital)); context.lineTo(box.left + box.width, y(data.capital)); context.stroke();
  context.setLineDash([]);

  context.beginPath();
  equity.forEach(([time, value], index) => index ? context.lineTo(x(time), y(value)) : context.moveTo(x(time), y(value)));
  context.strokeStyle = colour("--accent");
  context.lineWidth = 1.6;
  context.stroke();
  context.lineTo(x(end), box.top + box.height);
  context.lineTo(x(begin), box.top + box.height);
  context.fillStyle = colour("--wash");
  context.fill();

  context.beginPath();
  context.moveTo(x(begin), under.top);
  equity.forEach(([time], index) => context.lineTo(x(time), depth(fallen[index])));
  context.lineTo(x(end), under.top);
  context.fillStyle = colour("--down");
  context.globalAlpha = 0.35;
  context.fill();
  context.globalAlpha = 1;
  dates(context, box, (at) => begin + ((at - box.left) / box.width) * (end - begin), height);

  const chosen = pointed === null ? equity.length - 1
    : Math.min(equity.length - 1, firstAtLeast(equity, begin + ((pointed - box.left) / box.width) * (end - begin), (each) => each[0]));
  const [time, value] = equity[chosen];
  if (pointed !== null) {
    context.strokeStyle = colour("--soft");
    context.lineWidth = 1;
    context.beginPath(); context.moveTo(x(time), box.top); context.lineTo(x(time), under.top + under.height); context.stroke();
    context.fillStyle = colour("--accent");
    context.beginPath(); context.arc(x(time), y(value), 3.5, 0, 7); context.fill();
  }
  element("equity-readout").textContent =
    `${when(time)} UTC   equity ${amount(value)} ${data.currency}   drawdown ${amount(fallen[chosen])}`;
});
equityChart.canvas.addEventListener("pointermove", (event) => { pointed = event.offsetX; equityChart.paint(); });
equityChart.canvas.addEventListener("pointerleave", () => { pointed = null; equityChart.paint(); });

// ---- candles and trades

const times = [], opens = [], highs = [], lows = [], closes = [];
for (let index = 0, time = 0, close = 0; index < data.candles.length; index += 5) {
  const [after, opened, over, under, change] = data.candles.slice(index, index + 5);
  time += after;
  const open = close + opened;
  close = open + change;
  times.push(time); opens.push(open * data.step); highs.push((open + over) * data.step);
  lows.push((open + under) * data.step); closes.push(close * data.step);
}
const trades = data.trades;
const placeOf = (seconds) => Math.max(0, firstAtLeast(times, seconds + 1) - 1);  // the candle that was open then
const inAt = trades.map((trade) => placeOf(trade[IN_AT])), outAt = trades.map((trade) => placeOf(trade[OUT_AT]));
let from = 0, until = times.length, chosenTrade = null, hovered = null;

const priceChart = surface("price", (context, width, height) => {
  if (!times.length) return;
  const box = { left: 4, top: 24, width: width - RIGHT, height: height - 86 };
  const strip = { top: height - 54, height: 30 };
  const each = box.width / (until - from), x = (place) => box.left + (place - from + 0.5) * each;
  const first = Math.max(0, Math.floor(from)), last = Math.min(times.length, Math.ceil(until));
  let low = Infinity, top = -Infinity;
  for (let place = first; place < last; place++) { low = Math.min(low, lows[place]); top = Math.max(top, highs[place]); }
  const room = (top - low || 1) * 0.07;
  low -= room; top += room;
  const y = (value) => box.top + (1 - (value - low) / (top - low)) * box.height;
  grid(context, box, low, top, price);
  context.save();
  context.beginPath(); context.rect(box.left, 0, box.width, box.top + box.height); context.clip();
  const up = colour("--up"), down = colour("--down");
  const perPixel = Math.max(1, Math.floor((last - first) / (box.width * 1.5)));
  for (let place = first; place < last; place += perPixel) {
    const past = Math.min(place + perPixel, last);
    let most = highs[place], least = lows[place];
    for (let other = place + 1; other < past; other++) { most = Math.max(most, highs[other]); least = Math.min(least, lows[other]); }
    const open = opens[place], close = closes[past - 1], body = Math.max(1, each * perPixel * 0.68), middle = x((place + past - 1) / 2);
    context.fillStyle = context.strokeStyle = close >= open ? up : down;
    context.lineWidth = 1;
    context.beginPath(); context.moveTo(middle, y(most)); context.lineTo(middle, y(least)); context.stroke();
    if (body > 1.4) context.fillRect(middle - body / 2, y(Math.max(open, close)), body, Math.max(1, Math.abs(y(open) - y(close))));
  }
  const seen = [];
  trades.forEach((trade, index) => { if (outAt[index] >= from - 1 && inAt[index] <= until + 1) seen.push(index); });
  const quiet = seen.length > box.width / 12;  // so many signs would hide the price: lines alone
  for (const index of seen) drawTrade(context, index, x, y, quiet && index !== chosenTrade);
  context.restore();
  drawStrip(context, box, strip);
  dates(context, box, (at) => times[Math.max(0, Math.min(times.length - 1, Math.floor(from + (at - box.left) / each)))], height);
  tell(context, box, each, x);
});

function drawTrade(context, index, x, y, quiet) {
  const trade = trades[index], good = trade[NET] > 0 ? colour("--good") : colour("--bad");
  const ax = x(inAt[index]), ay = y(trade[IN_PRICE]), bx = x(outAt[index]), by = y(trade[OUT_PRICE]);
  context.strokeStyle = good;
  context.lineWidth = index === chosenTrade ? 3 : quiet ? 0.8 : 1.5;
  context.globalAlpha = quiet ? 0.55 : 0.95;
  context.beginPath(); context.moveTo(ax, ay); context.lineTo(bx, by); context.stroke();
  if (!quiet) {
    const way = trade[SIDE], size = index === chosenTrade ? 8 : 6;
    context.fillStyle = colour("--accent");
    context.strokeStyle = colour("--card");
    context.lineWidth = 1.5;
    context.beginPath(); context.moveTo(ax, ay + way * 2); context.lineTo(ax - size, ay + way * (size * 1.7 + 2)); context.lineTo(ax + size, ay + way * (size * 1.7 + 2)); context.closePath();
    context.stroke(); context.fill();
    context.fillStyle = good;
    context.beginPath(); context.arc(bx, by, size * 0.7, 0, 7); context.stroke(); context.fill();
  }
  context.globalAlpha = 1;
}

// The whole run in small, with the part that is shown.
function drawStrip(context, box, strip) {
  let low = Infinity, top = -Infinity;
  for (let place = 0; place < times.length; place++) { low = Math.min(low, lows[place]); top = Math.max(top, highs[place]); }
  const y = (value) => strip.top + (1 - (value - low) / (top - low || 1)) * strip.height;
  context.strokeStyle = colour("--soft");
  context.lineWidth = 1;
  context.beginPath();
  for (let pixel = 0; pixel <= box.width; pixel++) {
    const place = Math.min(times.length - 1, Math.floor((pixel / box.width) * times.length));
    if (pixel) context.lineTo(box.left + pixel, y(closes[place])); else context.moveTo(box.left + pixel, y(closes[place]));
  }
  context.stroke();
  const left = box.left + (from / times.length) * box.width, wide = Math.max(3, ((until - from) / times.length) * box.width);
  context.fillStyle = colour("--wash");
  context.fillRect(left, strip.top - 3, wide, strip.height + 6);
  context.strokeStyle = colour("--accent");
  context.strokeRect(left + 0.5, strip.top - 2.5, wide - 1, strip.height + 5);
}

function tell(context, box, each, x) {
  const place = hovered === null ? times.length - 1 : Math.max(0, Math.min(times.length - 1, Math.floor(from + (hovered - box.left) / each)));
  if (hovered !== null && hovered < box.left + box.width) {
    context.strokeStyle = colour("--soft");
    context.setLineDash([2, 3]);
    context.beginPath(); context.moveTo(x(place), box.top); context.lineTo(x(place), box.top + box.height); context.stroke();
    context.setLineDash([]);
  }
  element("price-readout").textContent = `${when(times[place])} UTC   O ${price(opens[place])}  H ${price(highs[place])}  L ${price(lows[place])}  C ${price(closes[place])}`;
}

function show(begin, end) {
  const least = Math.min(12, times.length), width = Math.max(least, Math.min(times.length, end - begin));
  from = Math.max(0, Math.min(times.length - width, begin));
  until = from + width;
  priceChart.paint();
}

const view = priceChart.canvas;
const inStrip = (event) => event.offsetY > view.clientHeight - 60;
let dragged = null;
view.addEventListener("wheel", (event) => {
  event.preventDefault();
  const at = from + ((event.offsetX - 4) / (view.clientWidth - RIGHT)) * (until - from), by = Math.exp(event.deltaY * 0.0015);
  show(at - (at - from) * by, at + (until - at) * by);
}, { passive: false });
view.addEventListener("pointerdown", (event) => {
  view.setPointerCapture(event.pointerId);
  dragged = { x: event.offsetX, from, until, strip: inStrip(event) };
  if (dragged.strip) centre(event.offsetX);
});
function centre(offset) {
  const place = ((offset - 4) / (view.clientWidth - RIGHT)) * times.length, half = (until - from) / 2;
  show(place - half, place + half);
}
view.addEventListener("pointermove", (event) => {
  hovered = event.offsetX;
  if (dragged === null) { priceChart.paint(); return; }
  if (dragged.strip) { centre(event.offsetX); return; }
  const moved = ((dragged.x - event.offsetX) / (view.clientWidth - RIGHT)) * (dragged.until - dragged.from);
  show(dragged.from + moved, dragged.until + moved);
});
view.addEventListener("pointerup", () => { dragged = null; });
view.addEventListener("pointerleave", () => { hovered = null; priceChart.paint(); });
element("whole").addEventListener("click", () => { chosenTrade = null; show(0, times.length); });
if (!times.length) element("price-hint").textContent = "No bar of this size was completed.";

// ---- the list

const MOST_ROWS = 3000;
const body = document.querySelector("#trades tbody"), headings = [...document.querySelectorAll("#trades th")];
const sortBy = [SIDE, QUANTITY, IN_AT, IN_PRICE, OUT_AT, OUT_PRICE, null, NET, BY];
let order = trades.map((_, index) => index), sorted = { column: 2, way: 1 };

function fill() {
  body.textContent = "";
  for (const index of order.slice(0, MOST_ROWS)) {
    const trade = trades[index], row = body.insertRow();
    const words = [trade[SIDE] > 0 ? "long" : "short", String(trade[QUANTITY]), when(trade[IN_AT]), price(trade[IN_PRICE]), when(trade[OUT_AT]), price(trade[OUT_PRICE]), trade[HELD], amount(trade[NET]), trade[BY]];
    words.forEach((text, column) => {
      const place = row.insertCell();
      place.textContent = text;
      if (column === 7) place.className = trade[NET] > 0 ? "good" : trade[NET] < 0 ? "bad" : "";
    });
    row.className = index === chosenTrade ? "chosen" : "";
    row.addEventListener("click", () => choose(index, row));
  }
}

function choose(index, row) {
  document.querySelector("#trades .chosen")?.classList.remove("chosen");
  row.classList.add("chosen");
  chosenTrade = index;
  const around = Math.max(30, (outAt[index] - inAt[index]) * 1.5);
  show(inAt[index] - around, outAt[index] + around);
  view.scrollIntoView({ block: "center", behavior: "smooth" });
}

const held = (index) => trades[index][OUT_AT] - trades[index][IN_AT];
function sort(column) {
  sorted = { column, way: sorted.column === column ? -sorted.way : 1 };
  const key = sortBy[column], value = key === null ? held : (index) => trades[index][key];
  order.sort((a, b) => { const one = value(a), other = value(b); return (one < other ? -1 : one > other ? 1 : a - b) * sorted.way; });
  headings.forEach((heading, place) => {
    if (place === column) heading.setAttribute("aria-sort", sorted.way > 0 ? "ascending" : "descending");
    else heading.removeAttribute("aria-sort");
  });
  fill();
}
headings.forEach((heading, column) => heading.addEventListener("click", () => sort(column)));
element("trade-count").textContent = trades.length > MOST_ROWS ? `${MOST_ROWS} of ${trades.length} shown` : `${trades.length}`;
fill();
