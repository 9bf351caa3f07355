// One crosshair over all charts, by mouse, finger and arrow keys, and marks that open their evidence.
"use strict";
const SVG = "http://www.w3.org/2000/svg";
const NEAR = 10; // of the drawing's units: a press so near to a mark means the mark
let crossed = null; // the second that is read in all charts; null: the newest review of each
let held = ""; // the name of the chart with the focus
let tabbed = ""; // and of the one that Tab reaches

function charts() {
  return [...document.querySelectorAll("svg.chart[data-points]")];
}

function nameOf(chart) {
  return chart.closest(".metric").querySelector("h3").textContent;
}

// [[second, height, words], ...], read once for each drawing
const known = new WeakMap();
function pointsOf(chart) {
  if (!known.has(chart)) {
    const [first] = chart.dataset.axis.split(" ").map(Number);
    known.set(chart, chart.dataset.points.split(";").map((each) => {
      const [since, y, words] = each.split("|");
      return [first + Number(since), y === "" ? null : Number(y), words];
    }));
  }
  return known.get(chart);
}

function nearest(points, second) {
  let low = 0, high = points.length - 1;
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (points[middle][0] <= second) low = middle; else high = middle;
  }
  return second - points[low][0] <= points[high][0] - second ? low : high;
}

function moment(second) {
  return `${new Date(second * 1000).toISOString().slice(0, 16).replace("T", " ")} UTC`;
}

function part(chart, name, kind) {
  const found = chart.querySelector(`.${name}`);
  if (found) return found;
  const made = document.createElementNS(SVG, kind);
  made.setAttribute("class", name);
  return chart.appendChild(made);
}

// Draws the crosshair at the review that is nearest to the second, and says what was seen there.
function read(chart) {
  const points = pointsOf(chart);
  const [second, y, words] = points[crossed === null ? points.length - 1 : nearest(points, crossed)];
  const said = `${moment(second)}: ${words}`;
  const place = chart.nextElementSibling;
  if (place && place.classList.contains("readout")) place.textContent = said;
  chart.setAttribute("aria-valuenow", String(second));
  chart.setAttribute("aria-valuetext", said);
  if (crossed === null) {
    for (const drawn of chart.querySelectorAll(".cross, .dot")) drawn.remove();
    return;
  }
  const [first, seconds, left, width] = chart.dataset.axis.split(" ").map(Number);
  const [top, bottom] = chart.dataset.height.split(" ").map(Number);
  const x = String(left + (width * (second - first)) / seconds);
  const line = part(chart, "cross", "line");
  for (const [key, value] of [["x1", x], ["x2", x], ["y1", top], ["y2", bottom]]) line.setAttribute(key, value);
  const dot = part(chart, "dot", "circle");
  dot.setAttribute("r", y === null ? "0" : "3");
  dot.setAttribute("cx", x);
  dot.setAttribute("cy", String(y ?? top));
}

function cross(second) {
  crossed = second;
  for (const chart of charts()) read(chart);
}

// A chart is a slider over its reviews; one of all of them is a stop of the Tab key, up and down go between them.
function upgrade() {
  const all = charts();
  if (!all.some((chart) => nameOf(chart) === tabbed)) tabbed = all.length ? nameOf(all[0]) : "";
  for (const chart of all) {
    const points = pointsOf(chart);
    chart.setAttribute("role", "slider");
    // Nothing within a slider takes the focus: its keys reach the marks.
    for (const mark of chart.querySelectorAll("a.event[href]")) {
      mark.dataset.to = mark.getAttribute("href").slice(1);
      for (const name of ["href", "tabindex"]) mark.removeAttribute(name);
    }
    chart.setAttribute("aria-valuemin", String(points[0][0]));
    chart.setAttribute("aria-valuemax", String(points[points.length - 1][0]));
    chart.setAttribute("tabindex", nameOf(chart) === tabbed ? "0" : "-1");
    read(chart);
    if (held && nameOf(chart) === held && document.activeElement === document.body) chart.focus({ preventScroll: true });
  }
}

function placeIn(chart, event) {
  const box = chart.getBoundingClientRect();
  return ((event.clientX - box.left) / box.width) * chart.viewBox.baseVal.width;
}

function secondAt(chart, x) {
  const [first, seconds, left, width] = chart.dataset.axis.split(" ").map(Number);
  return first + (seconds * (x - left)) / width;
}

function openEvidence(mark) {
  const place = document.getElementById(mark.dataset.to);
  if (!place) return;
  for (let around = place; around; around = around.parentElement) if (around.tagName === "DETAILS") around.open = true;
  const evidence = place.querySelector("details");
  if (evidence) evidence.open = true;
  place.setAttribute("tabindex", "-1");
  place.focus();
  place.scrollIntoView({ block: "center" });
}

function markNear(chart, x) {
  let found = null, distance = NEAR;
  for (const mark of chart.querySelectorAll("a.event")) {
    const away = Math.abs(Number(mark.querySelector("line").getAttribute("x1")) - x);
    if (away <= distance) [found, distance] = [mark, away];
  }
  return found;
}

function chartOf(event) {
  return event.target instanceof Element ? event.target.closest("svg.chart[data-points]") : null;
}

document.addEventListener("pointermove", (event) => {
  const chart = chartOf(event);
  if (chart) cross(secondAt(chart, placeIn(chart, event)));
  else if (crossed !== null && !held) cross(null);
});
document.addEventListener("click", (event) => {
  const chart = chartOf(event);
  if (!chart) return;
  event.preventDefault();
  const x = placeIn(chart, event), mark = markNear(chart, x);
  cross(secondAt(chart, x));
  if (mark) openEvidence(mark);
});
document.addEventListener("focusin", (event) => {
  const chart = chartOf(event);
  held = chart ? nameOf(chart) : "";
  if (!chart) return;
  tabbed = held;
  for (const each of charts()) each.setAttribute("tabindex", each === chart ? "0" : "-1");
});
document.addEventListener("focusout", (event) => {
  // A page that is renewed takes its charts away; the focus comes back to what stands in their place.
  if (chartOf(event) && event.relatedTarget) held = "";
});
document.addEventListener("keydown", (event) => {
  const chart = chartOf(event);
  if (!chart || event.ctrlKey || event.altKey || event.metaKey) return;
  const points = pointsOf(chart), last = points.length - 1;
  const now = crossed === null ? last : nearest(points, crossed);
  const all = charts(), here = all.indexOf(chart);
  const steps = { ArrowLeft: now - 1, ArrowRight: now + 1, Home: 0, End: last, PageUp: now - 10, PageDown: now + 10 };
  if (event.key in steps) cross(points[Math.min(Math.max(steps[event.key], 0), last)][0]);
  else if (event.key === "ArrowUp" || event.key === "ArrowDown") {
    const other = all[here + (event.key === "ArrowDown" ? 1 : -1)];
    if (other) other.focus();
  } else if (event.key === "Enter") {
    const [first, seconds, left, width] = chart.dataset.axis.split(" ").map(Number);
    const mark = markNear(chart, left + (width * (points[now][0] - first)) / seconds);
    if (mark) openEvidence(mark);
  } else if (event.key === "Escape") cross(null);
  else return;
  event.preventDefault();
  event.stopPropagation();
}, true);
document.addEventListener("renewed", upgrade);
upgrade();
