// Keeps the page's changing part fresh; without this script the page loads itself anew every ten seconds.
"use strict";
const live = document.getElementById("live");
const more = document.getElementById("more");
const said = document.getElementById("said");
const connection = document.getElementById("connection");
const outcome = document.getElementById("outcome");
if (outcome) outcome.focus();

// What the page was sent, and what has changed of it since, by lines: [from, to, text] or [line, head, tail, text].
const texts = { html: "", more: "" };
function spliced(text, splices) {
  const lines = text.split("\n");
  for (const splice of splices) {
    if (splice.length === 4) {
      const [place, head, tail, middle] = splice, line = lines[place];
      lines[place] = line.slice(0, head) + middle + line.slice(line.length - tail);
    } else lines.splice(splice[0], splice[1] - splice[0], ...(splice.length === 3 ? splice[2].split("\n") : []));
  }
  return lines.join("\n");
}

// Whether the page now has what the dashboard has.
function taken(change) {
  if (change.html !== undefined) Object.assign(texts, { html: change.html, more: change.more });
  else for (const key of ["html", "more"]) texts[key] = spliced(texts[key], change.splices[key]);
  return change.html !== undefined || texts.html.length + texts.more.length === change.length;
}

// Puts new HTML into a place; what was unfolded stays so, and the focus stays where it was.
function renew(place, html) {
  const open = new Set([...place.querySelectorAll("details[open][data-key]")].map((x) => x.dataset.key));
  const focused = place.contains(document.activeElement) ? document.activeElement.closest("details[data-key]") : null;
  place.innerHTML = html;
  for (const x of place.querySelectorAll("details[data-key]")) {
    if (open.has(x.dataset.key)) x.open = true;
    if (focused && x.dataset.key === focused.dataset.key) x.querySelector("summary").focus({ preventScroll: true });
  }
}

function typing(orders) {
  if (orders.contains(document.activeElement) || orders.querySelector("details[open]")) return true;
  return [...orders.querySelectorAll("input")].some((x) =>
    x.type === "hidden" ? false : x.type === "radio" || x.type === "checkbox" ? x.checked : x.value !== "");
}

async function renewOrders(key) {
  const orders = document.getElementById("orders");
  if (!orders || live.dataset.orders === key) return;
  live.dataset.orders = key;
  if (typing(orders)) {
    document.getElementById("orders-changed").hidden = false;
    return;
  }
  const answer = await fetch(orders.dataset.source, { credentials: "same-origin" });
  if (answer.ok) orders.innerHTML = await answer.text();
}

function show(change) {
  const all = change.html !== undefined;
  if (all || change.splices.html.length) renew(live, texts.html);
  if (more && (all || change.splices.more.length)) renew(more, texts.more);
  document.dispatchEvent(new Event("renewed"));
  if (live.dataset.headline !== change.headline) {
    live.dataset.headline = change.headline;
    said.textContent = change.headline;
  }
  renewOrders(change.orders);
}

// A dashboard that was started anew knows other tokens: the forms get them, and keep what was typed.
async function renewTokens(instance) {
  const orders = document.getElementById("orders");
  if (!orders || live.dataset.instance === instance) return;
  const answer = await fetch(orders.dataset.source, { credentials: "same-origin" });
  if (!answer.ok) return;
  const fresh = new DOMParser().parseFromString(await answer.text(), "text/html").querySelector("input[name=token]");
  if (!fresh) return;
  for (const token of orders.querySelectorAll("input[name=token]")) token.value = fresh.value;
  live.dataset.instance = instance;
}

const COLOURS = { good: "#1a6b32", warn: "#b07a00", bad: "#b3141d", idle: "#57606a" };
function icon(tone) {
  const drawing = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16"><circle cx="8" cy="8" r="7" fill="${COLOURS[tone]}"/></svg>`;
  document.getElementById("icon").href = `data:image/svg+xml,${encodeURIComponent(drawing)}`;
}

// The dashboard speaks every ten seconds at least; two of these missed, and what stands here may be old.
const SILENCE_SECONDS = 25;
const toned = document.querySelector("[data-tone]");
let heard = Date.now(), title = document.title, tone = toned ? toned.dataset.tone : "idle";
function look() {
  const seconds = Math.round((Date.now() - heard) / 1000);
  const stale = seconds >= SILENCE_SECONDS;
  document.body.classList.toggle("stale", stale);
  connection.hidden = !stale;
  const since = new Date(heard).toLocaleTimeString([], { hour12: false });
  if (stale) connection.textContent = `✖ OLD: nothing heard for ${seconds} s, since ${since} on your clock. What stands here may not be so any more. A rollback needs no page: tidegate rollback`;
  document.title = stale ? `✖ OLD - ${title}` : title;
  icon(stale ? "idle" : tone);
}

function listen() {
  const events = new EventSource(live.dataset.events);
  events.onmessage = (event) => {
    const change = JSON.parse(event.data);
    if (!taken(change)) {
      events.close();
      listen();
      return;
    }
    heard = Date.now();
    ({ title, tone } = change);
    look();
    show(change);
    renewTokens(change.instance);
  };
}

if (live) {
  listen();
  look();
  setInterval(look, 1000);
} else icon(tone);

// Escape closes what was unfolded last around the focus; what was typed into it stays.
document.addEventListener("keydown", (event) => {
  if (event.key !== "Escape") return;
  const opened = document.activeElement.closest("details[open]") || document.querySelector("#orders details[open]");
  if (!opened) return;
  opened.open = false;
  opened.querySelector("summary").focus();
});
