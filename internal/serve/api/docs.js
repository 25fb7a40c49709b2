"use strict";
// The page is whole without this: it only filters, and opens what a link names.
(function () {
  const filter = document.getElementById("filter");
  const operations = Array.from(document.querySelectorAll(".operation"));
  document.getElementById("search").hidden = false;

  function apply() {
    const words = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const o of operations) {
      const text = o.dataset.words.toLowerCase();
      o.hidden = !words.every((w) => text.includes(w));
      shown += o.hidden ? 0 : 1;
    }
    for (const g of document.querySelectorAll(".group")) {
      g.hidden = !g.querySelector(".operation:not([hidden])");
    }
    document.getElementById("count").value = words.length ? shown + " of " + operations.length : "";
  }

  function open() {
    const target = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    const details = target && target.closest("details");
    if (details) {
      details.hidden = false;
      details.open = true;
      target.scrollIntoView();
    }
  }

  filter.addEventListener("input", apply);
  addEventListener("hashchange", open);
  addEventListener("keydown", (e) => {
    if (e.key === "/" && document.activeElement !== filter && !e.ctrlKey && !e.metaKey && !e.altKey) {
      e.preventDefault();
      filter.focus();
    }
  });
  apply();
  open();
})();
