(function () {
  "use strict";
  var every = 5000, hidden = 30000, timer = 0, stopped = false, still = false, heard = Date.now();
  var gone = document.getElementById("gone"), button = document.getElementById("pause"), fresh = document.getElementById("fresh");
  var said = document.getElementById("said"), title = document.title;

  function selecting() {
    var s = window.getSelection();
    return s && !s.isCollapsed && document.querySelector("main").contains(s.anchorNode);
  }

  // What can be copied gets a button. Without JavaScript there is none, and the text can be selected.
  function decorate(root) {
    root.querySelectorAll("[data-copy]").forEach(function (e) {
      var b = document.createElement("button"), what = e.title || e.textContent;
      b.type = "button";
      b.className = "copy";
      b.setAttribute("aria-label", "copy " + what);
      b.title = "copy";
      e.insertAdjacentElement("afterend", b);
    });
    return root;
  }

  // Over plain HTTP, except from the same machine, a page has no clipboard; the old way works there.
  function copy(text) {
    if (navigator.clipboard && window.isSecureContext) return navigator.clipboard.writeText(text);
    var field = document.createElement("textarea"), focus = document.activeElement;
    field.value = text;
    field.className = "unseen";
    field.setAttribute("readonly", "");
    document.body.appendChild(field);
    field.select();
    var done = document.execCommand("copy");
    field.remove();
    if (focus) focus.focus({ preventScroll: true });
    return done ? Promise.resolve() : Promise.reject(new Error("refused"));
  }

  function copied(b) {
    var text = b.getAttribute("aria-label").replace(/^copy /, "");
    copy(text).then(function () {
      b.classList.add("done");
      said.textContent = "copied " + text;
    }, function () {
      window.getSelection().selectAllChildren(b.previousElementSibling);
      said.textContent = "not copied: the browser refused; it is selected now";
    }).then(function () {
      setTimeout(function () { b.classList.remove("done"); said.textContent = ""; }, 2000);
    });
  }

  document.addEventListener("click", function (e) {
    var b = e.target.closest && e.target.closest("button.copy");
    if (b) copied(b);
  });

  // The keyboard stays where it is: on the same button or link, or on what unfolds.
  function place() {
    var a = document.activeElement, label = a && a.getAttribute("aria-label"), part = a && a.closest("details[id]");
    if (a && a.tagName === "BUTTON" && label) return 'button[aria-label="' + CSS.escape(label) + '"]';
    if (a && a.tagName === "A") return 'a[href="' + CSS.escape(a.getAttribute("href")) + '"]';
    return part ? "#" + CSS.escape(part.id) + " > summary" : "";
  }

  // Puts a part of the new page in the place of the old one, unless it is the same. What is folded open stays open.
  function swap(before, after) {
    if (!before || !after) return;
    before.querySelectorAll("details[id]").forEach(function (d) {
      var twin = after.querySelector("#" + CSS.escape(d.id));
      if (twin) twin.open = d.open;
    });
    decorate(after);
    if (before.outerHTML === after.outerHTML) return;
    var focus = before.contains(document.activeElement) ? place() : "";
    before.replaceWith(after);
    var next = focus && after.querySelector(focus);
    if (next) next.focus({ preventScroll: true });
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
    if (stopped) return;
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

  // A heading leads to what it means, which is folded up.
  function reveal() {
    var at = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (!at) return;
    for (var d = at.closest("details"); d; d = d.parentElement.closest("details")) d.open = true;
    at.scrollIntoView({ block: "center" });
    at.focus({ preventScroll: true });
  }

  document.addEventListener("visibilitychange", function () {
    if (!document.hidden) return refresh();
    clearTimeout(timer);
    timer = setTimeout(refresh, hidden);
  });
  document.addEventListener("selectionchange", function () {
    if (still && !selecting()) { still = false; refresh(); }
  });
  document.addEventListener("click", function (e) {
    var a = e.target.closest && e.target.closest("a.col");
    if (a) setTimeout(reveal);
  });
  window.addEventListener("hashchange", reveal);
  button.hidden = false;
  button.addEventListener("click", function () {
    stopped = !stopped;
    button.textContent = stopped ? "refresh again" : "stop refreshing";
    button.setAttribute("aria-pressed", String(stopped));
    document.title = stopped ? "not refreshed – " + title : title;
    if (stopped) fresh.textContent = "not refreshed since " + clock(heard);
    refresh();
  });
  decorate(document);
  reveal();
  timer = setTimeout(refresh, every);
})();
