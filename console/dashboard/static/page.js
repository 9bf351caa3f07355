// Keeps the page's changing part fresh; without this script the page loads itself anew every ten seconds.
"use strict";
const live = document.getElementById("live");
const said = document.getElementById("said");
const connection = document.getElementById("connection");
const told = document.getElementById("told");
if (told) told.focus();

function opened() {
  return new Set([...live.querySelectorAll("details[open][data-key]")].map((x) => x.dataset.key));
}

function typing(orders) {
  if (orders.contains(document.activeElement)) return true;
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
  const open = opened();
  const focused = live.contains(document.activeElement) ? document.activeElement : null;
  const key = focused && focused.closest("details") ? focused.closest("details").dataset.key : null;
  live.innerHTML = change.html;
  for (const x of live.querySelectorAll("details[data-key]")) if (open.has(x.dataset.key)) x.open = true;
  if (key) {
    const again = live.querySelector(`details[data-key="${key}"] summary`);
    if (again) again.focus({ preventScroll: true });
  }
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
