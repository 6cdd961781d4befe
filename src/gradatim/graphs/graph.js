"use strict";
// The page of a graph. Boxes are drawn by Python; here they are put in place, module by
// module, as these are opened and closed. As it opens, places are those of the SVG.
const SVG = "http://www.w3.org/2000/svg";
const [FRAME, TITLE] = GRAPH.frame;
const GAP_X = 16, GAP_Y = 30, NEAR_Y = 8, BEND = 4;
const byId = (id) => document.getElementById(id);
const opened = new Set(GRAPH.opened);
const view = { x: 0, y: 0, scale: 1 };
let step = 0, chosen = null, hits = [], hit = -1, timer = null, whole = { width: 1, height: 1 };

// --- Places ------------------------------------------------------------------------------

const levels = {};
for (const [key, level] of Object.entries(GRAPH.levels)) {
  let next = level.items.length;
  const chains = level.bends.map((count) => Array.from({ length: count }, () => next++));
  const layer = new Array(next);
  level.layers.forEach((row, index) => row.forEach((v) => { layer[v] = index; }));
  const place = new Map(level.items.map((item, index) => [item, index]));
  levels[key] = { ...level, chains, layer, place, key };
}
const levelOf = {}; // of each item that is drawn
for (const [key, level] of Object.entries(levels)) {
  for (const item of level.items) if (item[0] === "n" || item[0] === "g") levelOf[item] = key;
}
const isOpen = (item) => item[0] === "g" && opened.has(Number(item.slice(1)));

function sizeOf(level, index) {
  const item = level.items[index];
  if (item[0] !== "g") return level.sizes[index];
  if (!isOpen(item)) return level.closed[index];
  return frameSize(item.slice(1));
}
function frameSize(group) {
  const inner = levels[group].now;
  return [Math.max(inner.width + 2 * FRAME, GRAPH.groups[group].width), inner.height + 2 * FRAME + TITLE];
}

// Put one level in order again: what stands in a layer keeps its order and is pushed aside
// as far as it must, to both sides alike. Levels inside come first.
function arrange(level) {
  const num = level.items.length, sizes = [];
  for (let i = 0; i < num; i++) {
    if (isOpen(level.items[i])) arrange(levels[level.items[i].slice(1)]);
    sizes.push(sizeOf(level, i));
  }
  const width = (v) => (v < num ? sizes[v][0] : BEND);
  const isSame = sizes.every((size, i) => Math.abs(size[0] - level.sizes[i][0]) < 0.2);
  let xs = level.xs.slice();
  if (!isSame) {
    for (const row of level.layers) {
      const right = [], left = [];
      row.forEach((v, i) => {
        const least = i ? right[i - 1] + (width(row[i - 1]) + width(v)) / 2 + GAP_X : -Infinity;
        right.push(Math.max(xs[v], least));
      });
      for (let i = row.length - 1; i >= 0; i--) {
        const most = i + 1 < row.length ? left[i + 1] - (width(row[i + 1]) + width(row[i])) / 2 - GAP_X : Infinity;
        left[i] = Math.min(xs[row[i]], most);
      }
      row.forEach((v, i) => { xs[v] = (right[i] + left[i]) / 2; });
    }
    const least = Math.min(...xs.map((x, v) => x - width(v) / 2));
    xs = xs.map((x) => x - least);
  }
  const heights = level.layers.map((row) => Math.max(0, ...row.map((v) => (v < num ? sizes[v][1] : 0))));
  const spans = [];
  heights.forEach((height, i) => {
    const top = i ? spans[i - 1][1] + (heights[i - 1] && height ? GAP_Y : NEAR_Y) : 0;
    spans.push([top, top + height]);
  });
  level.now = {
    xs, spans, sizes,
    width: isSame ? level.size[0] : Math.max(...xs.map((x, v) => x + width(v) / 2)),
    height: spans[spans.length - 1][1],
  };
}

function path(points) {
  let text = `M${points[0][0].toFixed(1)} ${points[0][1].toFixed(1)}`;
  for (let i = 1; i < points.length; i++) {
    const [x, y] = points[i - 1], [toX, toY] = points[i], middle = ((y + toY) / 2).toFixed(1);
    text += Math.abs(x - toX) < 0.05 ? `L${toX.toFixed(1)} ${toY.toFixed(1)}`
      : `C${x.toFixed(1)} ${middle} ${toX.toFixed(1)} ${middle} ${toX.toFixed(1)} ${toY.toFixed(1)}`;
  }
  return text;
}

// Where a line meets an item, from its middle: at the port inside, if that is open.
function offset(level, item, line, port) {
  if (!isOpen(item)) return line[3];
  const inner = levels[item.slice(1)], width = frameSize(item.slice(1))[0];
  const x = inner.now.xs[inner.place.get(port + line[2])];
  return x + (width - inner.now.width) / 2 - width / 2;
}

const rects = new Map(); // of what is to be seen
const lines = []; // {element, source, above, below}

function draw() {
  arrange(levels.root);
  rects.clear();
  const wanted = [];
  const visit = (key, left, top, border) => {
    const level = levels[key], now = level.now;
    level.items.forEach((item, i) => {
      if (item[0] !== "n" && item[0] !== "g") return;
      const [width, height] = now.sizes[i], [over, under] = now.spans[level.layer[i]];
      const rect = { x: left + now.xs[i] - width / 2, y: top + (over + under - height) / 2, width, height };
      rects.set(item, rect);
      if (isOpen(item)) {
        const inner = levels[item.slice(1)].now;
        visit(item.slice(1), rect.x + (width - inner.width) / 2, rect.y + FRAME + TITLE, rect);
      }
    });
    level.lines.forEach((line, index) => {
      const points = [end(level, line, 0, left, border)];
      // Straight down beside or through the title, not along it.
      if (level.items[line[0]][0] === "i") points.push([points[0][0], points[0][1] + TITLE]);
      for (const v of level.chains[index]) {
        const [over, under] = now.spans[level.layer[v]];
        points.push([left + now.xs[v], top + over], [left + now.xs[v], top + under]);
      }
      points.push(end(level, line, 1, left, border));
      const above = level.items[line[0]], below = level.items[line[1]];
      const isEnd = below[0] === "n" || (below[0] === "g" && !isOpen(below));
      wanted.push({ points, isEnd, source: line[2], above, below });
    });
  };
  const end = (level, line, side, left, border) => {
    const item = level.items[line[side]];
    if (item[0] === "i" || item[0] === "o") {
      return [left + level.now.xs[line[side]], item[0] === "i" ? border.y : border.y + border.height];
    }
    const rect = rects.get(item);
    return [rect.x + rect.width / 2 + offset(level, item, line, side ? "i" : "o"), side ? rect.y : rect.y + rect.height];
  };
  visit("root", 0, 0, null);
  for (const element of byId("boxes").children) {
    const rect = isOpen(element.id) ? undefined : rects.get(element.id);
    element.classList.toggle("gone", !rect);
    if (rect) element.setAttribute("transform", `translate(${rect.x.toFixed(1)} ${rect.y.toFixed(1)})`);
  }
  for (const element of byId("frames").children) {
    const item = "g" + element.id.slice(1), rect = isOpen(item) ? rects.get(item) : undefined;
    element.classList.toggle("gone", !rect);
    if (!rect) continue;
    element.setAttribute("transform", `translate(${rect.x.toFixed(1)} ${rect.y.toFixed(1)})`);
    element.querySelector("rect").setAttribute("width", rect.width.toFixed(1));
    element.querySelector("rect").setAttribute("height", rect.height.toFixed(1));
  }
  const holder = byId("lines");
  while (holder.children.length < wanted.length) holder.append(document.createElementNS(SVG, "path"));
  while (holder.children.length > wanted.length) holder.lastChild.remove();
  lines.length = 0;
  wanted.forEach((line, i) => {
    const element = holder.children[i];
    element.setAttribute("d", path(line.points));
    if (line.isEnd) element.setAttribute("marker-end", "url(#a)");
    else element.removeAttribute("marker-end");
    lines.push({ ...line, element });
  });
  whole = { width: levels.root.now.width, height: levels.root.now.height };
  mark();
}

// --- What is marked ----------------------------------------------------------------------

// The box that shows a node: its own, or that of the closed module it is in.
function shownAs(item) {
  let found = item;
  for (let key = levelOf[item]; key !== undefined && key !== "root"; key = levelOf["g" + key]) {
    if (!opened.has(Number(key))) found = "g" + key;
  }
  return found;
}

function mark() {
  const now = step ? GRAPH.steps[step - 1].nodes : [];
  const shownNow = new Set(now.map((n) => shownAs("n" + n)));
  const done = new Set(), norms = new Map();
  for (const each of GRAPH.steps.slice(0, step)) {
    for (const n of each.nodes) {
      done.add(shownAs("n" + n));
      if (rects.has("n" + n)) norms.set("n" + n, each.norm === null ? "none" : short(each.norm));
    }
  }
  const found = new Set(hits.map(shownAs));
  for (const element of byId("boxes").children) {
    element.classList.toggle("now", shownNow.has(element.id));
    element.classList.toggle("done", done.has(element.id));
    element.classList.toggle("hit", found.has(element.id));
    element.classList.toggle("chosen", chosen !== null && shownAs(chosen) === element.id);
  }
  for (const element of byId("frames").children) element.classList.toggle("chosen", chosen === "g" + element.id.slice(1));
  for (const line of lines) line.element.classList.toggle("now", shownNow.has(line.above) && done.has(line.below));
  // Below its box and beside the line that leaves there: on the side it does not bend to.
  const marks = byId("marks"), bent = new Set();
  for (const { above, points } of lines) if (points[1][0] > points[0][0] + 2) bent.add(above);
  marks.replaceChildren();
  for (const [item, text] of norms) {
    const rect = rects.get(item), element = document.createElementNS(SVG, "text"), isLeft = bent.has(item);
    element.setAttribute("x", (rect.x + rect.width / 2 + (isLeft ? -5 : 5)).toFixed(1));
    element.setAttribute("y", (rect.y + rect.height + 12).toFixed(1));
    element.style.textAnchor = isLeft ? "end" : "start";
    element.textContent = text;
    marks.append(element);
  }
  tell();
}
const short = (norm) => String(Number(Number(norm).toPrecision(3)));
function numbers(values) {
  return values.map((value) => {
    const element = document.createElement("span");
    element.className = "number";
    element.textContent = value;
    return element;
  });
}

function tell() {
  const total = GRAPH.steps.length, status = byId("status");
  status.replaceChildren();
  byId("step").disabled = byId("play").disabled = step >= total;
  byId("back").disabled = byId("reset").disabled = step === 0;
  if (!total) status.append("No steps backward: " + GRAPH.why_not);
  else if (!step) status.append(`Backward has ${total} steps, in autograd's own order.`);
  else {
    const now = GRAPH.steps[step - 1], node = GRAPH.nodes[now.nodes[0]], name = document.createElement("b");
    const line = () => document.createElement("br");
    name.textContent = node.name;
    status.append(`Step ${step} of ${total}: `, name);
    if (node.module) status.append(` in ${node.module}`);
    if (now.norm === null) status.append(line(), "no gradient arrives");
    else status.append(line(), `its gradient ${now.shape} has norm `, ...numbers([now.norm]));
    if (now.values && now.values.length > 1) status.append(line(), "values ", ...numbers(now.values));
    else if (now.values && now.values.length) status.append(line(), "value ", ...numbers(now.values));
  }
}

function about(item) {
  const box = byId("about");
  box.replaceChildren();
  if (item === null) return;
  const heading = document.createElement("h2"), list = document.createElement("dl");
  const row = (name, ...texts) => {
    if (!texts.length || !texts[0]) return;
    const term = document.createElement("dt"), value = document.createElement("dd");
    term.textContent = name;
    value.append(...texts);
    list.append(term, value);
  };
  if (item[0] === "g") {
    heading.textContent = GRAPH.groups[item.slice(1)].title;
    row("module", isOpen(item) ? "open: click its frame to close it" : "closed: click it to open it");
  } else {
    const number = Number(item.slice(1)), node = GRAPH.nodes[number];
    heading.textContent = node.name;
    row("kind", node.kind);
    row("tensor", node.shape);
    row("module", node.module);
    row("line", node.line);
    row("options", node.options);
    row("saved", (node.saved || []).join("\n"));
    const at = GRAPH.steps.findIndex((each) => each.nodes.includes(number));
    if (at >= 0) {
      const found = GRAPH.steps[at];
      row("backward", `step ${at + 1} of ${GRAPH.steps.length}`);
      row("gradient", found.norm === null ? "none" : `${found.shape} norm ${found.norm}`);
      row("values", ...numbers(found.values || []));
    }
  }
  box.append(heading, list);
}

function choose(item) {
  chosen = item;
  about(item);
  mark();
}

// --- Seeing ------------------------------------------------------------------------------

const graph = byId("graph");
let isFitted = true;
function show() {
  isFitted = false;
  byId("view").setAttribute("transform", `translate(${view.x.toFixed(2)} ${view.y.toFixed(2)}) scale(${view.scale.toFixed(4)})`);
}
function fit() {
  const box = graph.getBoundingClientRect(), margin = 16;
  const wide = (box.width - 2 * margin) / whole.width, high = (box.height - 2 * margin) / whole.height;
  // All of it, unless that is too small to read: then its width, from its end on.
  view.scale = Math.min(wide, high, 1.25);
  if (view.scale < 0.45) view.scale = Math.max(0.45, Math.min(wide, 1));
  const isWide = whole.width * view.scale > box.width - 2 * margin, start = rects.get(startOf());
  view.x = box.width / 2 - (isWide ? start.x + start.width / 2 : whole.width / 2) * view.scale;
  const height = whole.height * view.scale;
  view.y = height <= box.height ? (box.height - height) / 2 : box.height - margin - height;
  show();
  isFitted = true;
}
function zoom(factor, x, y) {
  const box = graph.getBoundingClientRect();
  const atX = x === undefined ? box.width / 2 : x - box.left, atY = y === undefined ? box.height / 2 : y - box.top;
  const scale = Math.min(4, Math.max(0.03, view.scale * factor)), by = scale / view.scale;
  view.x = atX - (atX - view.x) * by;
  view.y = atY - (atY - view.y) * by;
  view.scale = scale;
  show();
}
// Where backward starts, as it is shown.
function startOf() {
  const found = GRAPH.nodes.findIndex((node) => node.kind === "output");
  return shownAs("n" + (found < 0 ? GRAPH.nodes.length - 1 : found));
}
function bringIntoView(item) {
  const rect = rects.get(item), box = graph.getBoundingClientRect(), margin = 12;
  const left = rect.x * view.scale + view.x, top = rect.y * view.scale + view.y;
  const isAside = left < margin || left + rect.width * view.scale > box.width - margin;
  const isBeyond = top < margin || top + rect.height * view.scale > box.height - margin;
  if (isAside) view.x = box.width / 2 - (rect.x + rect.width / 2) * view.scale;
  if (isBeyond) view.y = box.height / 2 - (rect.y + rect.height / 2) * view.scale;
  if (isAside || isBeyond) show();
}
// Open or close, so that the thing under the eye stays where it is.
function toggle(item, open) {
  const before = rects.get(item), number = Number(item.slice(1));
  if (open) opened.add(number); else opened.delete(number);
  draw();
  const after = rects.get(item);
  if (before && after) {
    view.x += (before.x + before.width / 2 - after.x - after.width / 2) * view.scale;
    view.y += (before.y - after.y) * view.scale;
  }
  show();
}
function reveal(item) {
  let isNew = false;
  for (let key = levelOf[item]; key !== undefined && key !== "root"; key = levelOf["g" + key]) {
    if (!opened.has(Number(key))) { opened.add(Number(key)); isNew = true; }
  }
  if (isNew) draw();
}

// --- Doing -------------------------------------------------------------------------------

function stepTo(number) {
  step = Math.max(0, Math.min(GRAPH.steps.length, number));
  mark();
  if (step) bringIntoView(shownAs("n" + GRAPH.steps[step - 1].nodes[0]));
}
function play() {
  if (timer !== null) { stop(); return; }
  byId("play").textContent = "Pause";
  const pause = Math.max(30, Math.min(500, 15000 / Math.max(1, GRAPH.steps.length)));
  timer = setInterval(() => { stepTo(step + 1); if (step >= GRAPH.steps.length) stop(); }, pause);
}
function stop() {
  if (timer !== null) clearInterval(timer);
  timer = null;
  byId("play").textContent = "Play";
}
function search(text) {
  const words = text.toLowerCase().split(/\s+/).filter((word) => word);
  hits = !words.length ? [] : GRAPH.nodes.map((node, i) => ["n" + i, node]).filter(([, node]) => {
    const all = [node.name, node.kind, node.shape, node.module, node.line].join(" ").toLowerCase();
    return words.every((word) => all.includes(word));
  }).map(([item]) => item);
  hit = -1;
  byId("found").textContent = words.length ? `${hits.length} found` : "";
  mark();
}
function nextHit(by) {
  if (!hits.length) return;
  hit = (hit + by + hits.length) % hits.length;
  reveal(hits[hit]);
  goTo(hits[hit]);
  byId("found").textContent = `${hit + 1} of ${hits.length}`;
}
// Go on from the chosen box: along an arrow, up to what goes into it or down to what uses
// it, to an operation where there is one; or to the next of those that go into the same box.
function along(up) {
  const here = shownAs(chosen), found = [];
  for (const ends of GRAPH.arrows) {
    const [from, to] = (up ? [...ends].reverse() : ends).map((n) => shownAs("n" + n));
    if (from === here && to !== here) found.push([to, GRAPH.nodes[up ? ends[0] : ends[1]].kind]);
  }
  const best = found.find(([, kind]) => kind === "operation" || kind === "output") || found[0];
  if (best) goTo(best[0]);
}
function beside(by) {
  const here = shownAs(chosen), used = new Set(), row = new Set();
  const arrows = GRAPH.arrows.map((ends) => ends.map((n) => shownAs("n" + n))).filter(([above, below]) => above !== below);
  for (const [above, below] of arrows) if (above === here) used.add(below);
  for (const [above, below] of arrows) if (used.has(below)) row.add(above);
  const found = [...row].sort((a, b) => rects.get(a).x - rects.get(b).x), next = found[found.indexOf(here) + by];
  if (next) goTo(next);
}
function goTo(item) {
  choose(item);
  bringIntoView(shownAs(item));
}
// Open the chosen module and go into it, to the box that its value comes from.
function enter() {
  if (chosen === null) goTo(startOf());
  else if (chosen[0] === "g" && !isOpen(chosen)) {
    toggle(chosen, true);
    const level = levels[chosen.slice(1)], last = level.layers.flat().filter((v) => /[ng]/.test(level.items[v]?.[0]));
    goTo(level.items[last[last.length - 1]]);
  }
}
// Close the module around the chosen box.
function leave() {
  const around = isOpen(chosen) ? chosen.slice(1) : levelOf[shownAs(chosen)];
  if (around === "root") return;
  toggle("g" + around, false);
  goTo("g" + around);
}
function dark() {
  const root = document.documentElement, asked = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
  const now = root.dataset.theme || asked;
  root.dataset.theme = now === "dark" ? "light" : "dark";
}

byId("step").onclick = () => { stop(); stepTo(step + 1); };
byId("back").onclick = () => { stop(); stepTo(step - 1); };
byId("reset").onclick = () => { stop(); stepTo(0); };
byId("play").onclick = play;
byId("in").onclick = () => zoom(1.3);
byId("out").onclick = () => zoom(1 / 1.3);
byId("fit").onclick = fit;
byId("theme").onclick = dark;
byId("open").onclick = () => { Object.keys(levels).forEach((key) => key !== "root" && opened.add(Number(key))); draw(); fit(); };
byId("close").onclick = () => { opened.clear(); draw(); fit(); };
byId("search").oninput = (event) => search(event.target.value);
byId("search").onkeydown = (event) => {
  if (event.key === "Enter") nextHit(event.shiftKey ? -1 : 1);
  if (event.key === "Escape") { event.target.value = ""; search(""); graph.focus(); }
  event.stopPropagation();
};
const hasModules = GRAPH.groups.length && Object.keys(levels).length > 1;
if (!hasModules) { byId("open").parentElement.classList.add("gone"); }

document.onkeydown = (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const isButton = event.target.tagName === "BUTTON";
  const isChosen = chosen !== null;
  const move = { ArrowLeft: [60, 0], ArrowRight: [-60, 0], ArrowUp: [0, 60], ArrowDown: [0, -60] }[event.key];
  if (event.key === "n" || (event.key === " " && !isButton)) { stop(); stepTo(step + 1); }
  else if (event.key === "p") { stop(); stepTo(step - 1); }
  else if (event.key === "/") byId("search").focus();
  else if (event.key === "+" || event.key === "=") zoom(1.3);
  else if (event.key === "-") zoom(1 / 1.3);
  else if (event.key === "0") fit();
  else if (event.key === "Escape") choose(null);
  else if (event.key === "Enter" && !isButton) enter();
  else if (isChosen && event.key === "Backspace") leave();
  else if (isChosen && move && move[0]) beside(-Math.sign(move[0]));
  else if (isChosen && move) along(event.key === "ArrowUp");
  else if (move) { view.x += move[0]; view.y += move[1]; show(); }
  else return;
  event.preventDefault();
};

const pointers = new Map();
let moved = 0, spread = 0;
graph.onpointerdown = (event) => {
  pointers.set(event.pointerId, event);
  moved = 0;
  spread = 0;
};
graph.onpointermove = (event) => {
  const before = pointers.get(event.pointerId);
  if (!before) return;
  moved += Math.abs(event.clientX - before.clientX) + Math.abs(event.clientY - before.clientY);
  if (moved > 4 && !graph.hasPointerCapture(event.pointerId)) graph.setPointerCapture(event.pointerId);
  pointers.set(event.pointerId, event);
  if (pointers.size === 2) {
    const [a, b] = [...pointers.values()], now = Math.hypot(a.clientX - b.clientX, a.clientY - b.clientY);
    if (spread) zoom(now / spread, (a.clientX + b.clientX) / 2, (a.clientY + b.clientY) / 2);
    spread = now;
  } else if (moved > 4) {
    graph.classList.add("moving");
    view.x += event.clientX - before.clientX;
    view.y += event.clientY - before.clientY;
    show();
  }
};
graph.onpointerup = graph.onpointercancel = (event) => {
  pointers.delete(event.pointerId);
  graph.classList.remove("moving");
};
graph.onclick = (event) => {
  if (moved > 4) return;
  const element = event.target.closest("#boxes > g, #frames > g");
  if (!element) { choose(null); return; }
  if (element.parentElement.id === "frames") { toggle("g" + element.id.slice(1), false); return; }
  if (element.id[0] === "g") toggle(element.id, true);
  choose(element.id);
};
graph.addEventListener("wheel", (event) => {
  event.preventDefault();
  zoom(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0016)), event.clientX, event.clientY);
}, { passive: false });
new ResizeObserver(() => { if (isFitted) fit(); }).observe(graph);

draw();
fit();
document.documentElement.dataset.ready = "yes";
