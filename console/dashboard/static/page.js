// Keeps the page's changing part fresh; without this script the page loads itself anew every ten seconds.
"use strict";
const live = document.getElementById("live");
const more = document.getElementById("more");
const said = document.getElementById("said");
const connection = document.getElementById("connection");
const told = document.getElementById("told");
if (told) told.focus();

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
  renew(live, change.html);
  if (more) renew(more, change.more);
  if (live.dataset.headline !== change.headline) {
    live.dataset.headline = change.headline;
    said.textContent = change.headline;
  }
  renewOrders(change.orders);
}

if (live) {
  const events = new EventSource(live.dataset.events);
  events.onmessage = (event) => {
    connection.textContent = "";
    show(JSON.parse(event.data));
  };
  events.onerror = () => {
    connection.textContent = "✖ The dashboard does not answer: what stands here may be old.";
  };
}
