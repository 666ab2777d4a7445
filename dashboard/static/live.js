// The live part of a page is asked for every two seconds by htmx; here is when it is not, and what is kept.
(() => {
  "use strict";
  const live = document.querySelector("[data-live]");
  const told = document.getElementById("live-told");
  const button = document.getElementById("pause");
  const spoken = document.getElementById("spoken");
  document.documentElement.classList.add("scripted");

  const all = document.querySelector("[data-choose-all]");
  if (all) {
    all.hidden = false;
    all.addEventListener("change", () => {
      const within = all.closest("form");
      within.querySelectorAll("input[type=checkbox][name]").forEach((box) => { box.checked = all.checked; });
    });
  }
  if (!live) return;

  const PAUSED = "paused";
  let paused = sessionStorage.getItem(PAUSED) === "yes";
  let last = null;
  let opened = [];

  const clock = () => new Date().toISOString().slice(11, 19);
  const say = (text) => { if (told) told.textContent = text; };
  const selects = () => {
    const selection = document.getSelection();
    return selection && !selection.isCollapsed && live.contains(selection.anchorNode);
  };
  const fillsIn = () => {
    const active = document.activeElement;
    return (active && live.contains(active) && active.matches("input, select, textarea"))
      || live.querySelector("input[type=checkbox]:checked") !== null;
  };
  const announce = () => {
    const words = live.querySelector("[data-announce]");
    const text = words ? words.textContent.replace(/[\d.,]+/g, "#").trim() : "";
    if (announce.before !== undefined && announce.before !== text) spoken.textContent = words.textContent.trim();
    announce.before = text;
  };
  const show = () => {
    button.textContent = paused ? "Go on" : "Pause";
    button.setAttribute("aria-pressed", String(paused));
    if (paused) say(`Paused; read ${clock()} UTC`);
  };

  button.hidden = false;
  button.addEventListener("click", () => {
    paused = !paused;
    sessionStorage.setItem(PAUSED, paused ? "yes" : "no");
    show();
    if (!paused) htmx.trigger(live, "refresh");
  });
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden && !paused) htmx.trigger(live, "refresh");
  });

  live.addEventListener("htmx:beforeRequest", (event) => {
    if (paused || document.hidden || selects() || fillsIn()) event.preventDefault();
  });
  live.addEventListener("htmx:beforeSwap", (event) => {
    if (event.detail.xhr.status >= 400) return;
    const text = event.detail.xhr.responseText;
    if (text === last) event.detail.shouldSwap = false;
    last = text;
    opened = [...live.querySelectorAll("details[id]")].map((each) => [each.id, each.open]);
  });
  live.addEventListener("htmx:afterSwap", () => {
    opened.forEach(([id, open]) => {
      const each = document.getElementById(id);
      if (each) each.open = open;
    });
    announce();
  });
  live.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) say(`Read ${clock()} UTC`);
  });
  const failed = () => say(`Not read again since ${clock()} UTC: the dashboard does not answer`);
  let since = null;
  live.addEventListener("htmx:sendError", () => { if (!since) { since = clock(); failed(); } });
  live.addEventListener("htmx:timeout", () => { if (!since) { since = clock(); failed(); } });
  live.addEventListener("htmx:responseError", () => { if (!since) { since = clock(); failed(); } });
  live.addEventListener("htmx:afterOnLoad", () => { since = null; });
  announce();
  show();
})();
