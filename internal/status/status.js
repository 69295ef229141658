(function () {
  "use strict";
  var every = 5000, hidden = 30000, timer = 0, paused = false, still = false, heard = Date.now();
  var gone = document.getElementById("gone"), button = document.getElementById("pause"), fresh = document.getElementById("fresh");
  var title = document.title;

  function selecting() {
    var s = window.getSelection();
    return s && !s.isCollapsed && document.querySelector("main").contains(s.anchorNode);
  }

  // Puts a part of the new page in the place of the old one, unless it is the same. What is folded open stays open, and the
  // keyboard stays where it is.
  function swap(before, after) {
    if (!before || !after) return;
    before.querySelectorAll("details[id]").forEach(function (d) {
      var twin = after.querySelector("#" + CSS.escape(d.id));
      if (twin) twin.open = d.open;
    });
    if (before.outerHTML === after.outerHTML) return;
    var focus = before.contains(document.activeElement) ? document.activeElement.closest("details[id]") : null;
    before.replaceWith(after);
    if (focus) {
      var summary = document.querySelector("#" + CSS.escape(focus.id) + " > summary");
      if (summary) summary.focus({ preventScroll: true });
    }
  }

  function show(page) {
    var x = window.scrollX, y = window.scrollY;
    swap(document.querySelector("header"), page.querySelector("header"));
    var parts = Array.from(document.querySelectorAll("[data-part]")), news = Array.from(page.querySelectorAll("[data-part]"));
    var same = parts.length === news.length && parts.every(function (p, i) { return p.id === news[i].id; });
    if (same) parts.forEach(function (p, i) { swap(p, news[i]); });
    else swap(document.querySelector("main"), page.querySelector("main"));
    if (window.scrollX !== x || window.scrollY !== y) window.scrollTo(x, y);
  }

  // In UTC, like everything else on the page.
  function clock(at) { return new Date(at).toISOString().slice(11, 19) + " UTC"; }

  // The title and the icon are what a tab in the background shows.
  function label(page) {
    document.title = title = page.title;
    document.querySelector("link[rel=icon]").href = page.querySelector("link[rel=icon]").href;
  }

  function refresh() {
    clearTimeout(timer);
    if (paused) return;
    fetch(location.pathname, { headers: { Accept: "text/html" }, cache: "no-store", signal: AbortSignal.timeout(every) })
      .then(function (r) {
        if (!r.ok) throw new Error(r.status);
        return r.text();
      })
      .then(function (text) {
        var page = new DOMParser().parseFromString(text, "text/html");
        if (!page.querySelector("main")) throw new Error("no status page");
        label(page);
        gone.textContent = "";
        still = selecting();
        if (still) {
          fresh.textContent = "not refreshed while text is selected, as of " + clock(heard);
          return;
        }
        show(page);
        heard = Date.now();
        fresh.textContent = "refreshed " + clock(heard);
      })
      .catch(function () {
        gone.textContent = "The daemon has not answered for " + Math.round((Date.now() - heard) / 1000) +
          " s. What you see is of " + clock(heard) + ".";
        document.title = "✕ no answer – " + title;
      })
      .then(function () { timer = setTimeout(refresh, document.hidden ? hidden : every); });
  }

  document.addEventListener("visibilitychange", function () {
    if (!document.hidden) return refresh();
    clearTimeout(timer);
    timer = setTimeout(refresh, hidden);
  });
  document.addEventListener("selectionchange", function () {
    if (still && !selecting()) { still = false; refresh(); }
  });
  button.hidden = false;
  button.addEventListener("click", function () {
    paused = !paused;
    button.textContent = paused ? "resume" : "pause";
    button.setAttribute("aria-pressed", String(paused));
    document.title = paused ? "paused – " + title : title;
    refresh();
  });
  timer = setTimeout(refresh, every);
})();
