// Looks at the status page as people do: in light and dark, on a desk and on a phone, without JavaScript, over a refresh, and
// when the daemon dies. internal/system/browser_test.go runs the daemons and says where they are.
import { readFileSync, mkdirSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { launch, check, finish, picture } from "./browser.mjs";

const { url, other, starting, control, out } = JSON.parse(process.argv[2]);
mkdirSync(out, { recursive: true });
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");
const browser = await launch();

// open opens a page whose complaints are faults.
async function open(name, address, options, expectTrouble = false) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (e) => complaints.push(String(e)));
  page.on("console", (m) => { if (["error", "warning"].includes(m.type())) complaints.push(m.text()); });
  page.on("request", (r) => { if (!r.url().startsWith("data:") && new URL(r.url()).origin !== new URL(address).origin) complaints.push(`asks ${r.url()}`); });
  page.complaints = complaints;
  const answer = await page.goto(address, { waitUntil: "load" });
  const policy = answer.headers()["content-security-policy"] ?? "";
  check(/default-src 'none'/.test(policy) && !/unsafe/.test(policy) && /frame-ancestors 'none'/.test(policy), `${name}: the policy is strict: ${policy}`);
  check(answer.headers()["cache-control"] === "no-store" && answer.headers()["x-content-type-options"] === "nosniff", `${name}: no-store and nosniff`);
  if (!expectTrouble) page.done = () => check(complaints.length === 0, `${name}: the console is quiet: ${complaints.join(" | ")}`);
  else page.done = () => {};
  return page;
}

// structure checks what assistive technology lives on, and that nothing has to be scrolled sideways.
async function structure(name, page) {
  const wide = page.viewportSize().width; // not innerWidth: a phone zooms out, and that grows with what is too wide
  const s = await page.evaluate((wide) => ({
    lang: document.documentElement.lang, title: document.title, scroll: Math.max(innerWidth, document.documentElement.scrollWidth),
    headings: [...document.querySelectorAll("h1,h2,h3,h4")].map((h) => +h.tagName[1]),
    heads: [...document.querySelectorAll("th")].filter((t) => !t.scope).length,
    out: [...document.querySelectorAll(".card table, .tile *")].filter((e) => !e.closest("thead") && e.getClientRects().length > 0 && e.getBoundingClientRect().right > e.closest(".card, .tile").getBoundingClientRect().right + 1).map((e) => `${e.tagName}.${e.className}`),
    wide: [...document.querySelectorAll("body *")].filter((e) => !e.closest("thead") && e.getBoundingClientRect().right > wide + 1).slice(0, 3).map((e) => e.outerHTML.slice(0, 120)),
  }), wide);
  check(s.lang === "en" && s.title.length > 5, `${name}: language and title`);
  check(s.headings[0] === 1 && s.headings.filter((h) => h === 1).length === 1 && s.headings.every((h, i) => i === 0 || h - s.headings[i - 1] <= 1), `${name}: headings in order: ${s.headings}`);
  check(s.out.length === 0, `${name}: out of their cards: ${s.out}`);
  check(s.heads === 0, `${name}: every heading of a table has its scope`);
  check(s.scroll <= wide, `${name}: ${s.scroll} pixels in a window of ${wide}: ${s.wide.join(" ; ")}`);
}

async function accessible(name, page) {
  const violations = await page.evaluate(`${axe}; axe.run(document, {runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]}).then((r) =>
    r.violations.map((v) => v.id + ": " + v.nodes.slice(0, 3).map((n) => n.target + " " + n.failureSummary.replaceAll("\\n", " ")).join("; ")))`);
  check(violations.length === 0, `${name}: axe: ${violations.join(" | ")}`);
}

// filled checks that a wide window has no holes: the page takes its width, and both columns end at the same height.
async function filled(name, page) {
  const s = await page.evaluate(() => ({
    main: document.querySelector("main").getBoundingClientRect().width,
    ends: [...document.querySelectorAll(".columns > div")].map((c) => Math.round(c.lastElementChild.getBoundingClientRect().bottom)),
  }));
  check(s.main > 1800, `${name}: the page is ${s.main} wide`);
  check(s.ends.length === 2 && Math.abs(s.ends[0] - s.ends[1]) <= 1, `${name}: the columns end at ${s.ends}`);
}

// fleet checks the totals of all workers against their rows, that the curves fill their cards, and that every heading explains
// itself to a mouse, a keyboard and a screen reader.
async function fleet(name, page) {
  const s = await page.evaluate(() => ({
    cover: document.querySelector(".cover .big").textContent,
    shards: [...document.querySelectorAll(".workers tbody tr td:nth-child(7)")].reduce((n, td) => n + parseInt(td.firstChild.textContent, 10), 0),
    lines: [...document.querySelectorAll("#figures path.line")].map((p) => p.getAttribute("d")),
    mute: [...document.querySelectorAll("thead th, .tile h2")].filter((h) => {
      const a = h.querySelector("a.col");
      return !a || a.title.length < 12 || !document.querySelector(`#glossary ${CSS.escape(a.getAttribute("href")).replace("\\#", "#")}`);
    }).map((h) => h.textContent),
  }));
  const [, read, open] = /^(\d+) of (\d+) by \d+ workers?$/.exec(s.cover) ?? [];
  check(read !== undefined && Number(read) === s.shards && Number(read) <= Number(open), `${name}: ${s.cover}, and the workers have ${s.shards}`);
  check(s.lines.length === 3 && s.lines.every((d) => /^M0\.0 /.test(d) && /180\.0 [\d.]+$/.test(d)), `${name}: the curves fill their cards: ${s.lines.map((d) => d.slice(0, 30))}`);
  check(s.mute.length === 0, `${name}: headings without an explanation: ${s.mute}`);
}

const sizes = [
  ["desktop-light", { colorScheme: "light" }],
  ["desktop-dark", { colorScheme: "dark" }],
  ["phone-light", { colorScheme: "light", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }],
  ["phone-dark", { colorScheme: "dark", viewport: { width: 390, height: 844 }, deviceScaleFactor: 2, isMobile: true, hasTouch: true }],
  ["phone-360", { viewport: { width: 360, height: 780 }, deviceScaleFactor: 3, isMobile: true, hasTouch: true }],
  ["wide-light", { colorScheme: "light", viewport: { width: 1920, height: 1080 } }],
  ["wide-dark", { colorScheme: "dark", viewport: { width: 1920, height: 1080 } }],
  ["notebook", { viewport: { width: 1500, height: 900 } }],
  ["two-columns", { viewport: { width: 1800, height: 1000 } }],
  ["screen-2560", { viewport: { width: 2560, height: 1300 } }],
  ["half-screen", { viewport: { width: 900, height: 1000 } }],
  ["narrow", { viewport: { width: 320, height: 640 } }],
];
for (const [name, options] of sizes) {
  const page = await open(name, url, options);
  await structure(name, page);
  await accessible(name, page);
  if (/^(desktop|phone|wide)/.test(name)) await picture(page, join(out, `status-${name}.png`));
  if (name.startsWith("wide")) await filled(name, page);
  await fleet(name, page);
  await page.evaluate(() => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
  await structure(`${name}, all unfolded`, page);
  page.done();
  await page.context().close();
}

// The same page, as the one who waits for the stream, the other worker, one with a thousand shards, and one with evil names.
for (const [name, address, wants] of [
  ["starting", starting, /waits for the stream NotThereYet/i], ["other-worker", other, /./], ["thousand-shards", `${control}/many`, /lag 3 m 20 s/i], ["well", `${control}/well`, /(all|this worker) is well/i],
]) {
  for (const [size, options] of [["", {}], ["-phone", { viewport: { width: 390, height: 844 } }]]) {
    const page = await open(name + size, address, options);
    const began = Date.now();
    check(wants.test(await page.textContent("h1")), `${name}: ${await page.textContent("h1")}`);
    await structure(name + size, page);
    await accessible(name + size, page);
    if (size === "") await picture(page, join(out, `status-${name}.png`));
    if (name === "thousand-shards") {
      const figures = await page.evaluate(() => ({ nodes: document.querySelectorAll("*").length, load: Math.round(performance.getEntriesByType("navigation")[0].domContentLoadedEventEnd), bytes: performance.getEntriesByType("navigation")[0].decodedBodySize, wire: performance.getEntriesByType("navigation")[0].transferSize }));
      console.log(`thousand shards${size}: ${JSON.stringify(figures)}, looked at in ${Date.now() - began} ms`);
      check(figures.bytes < 1 << 20, `a thousand shards are ${figures.bytes} bytes`);
    }
    page.done();
    await page.context().close();
  }
}
{
  const page = await open("hostile", `${control}/hostile`, {});
  check(!(await page.title()).includes("owned") && (await page.$$("img")).length === 0, "names are text, whatever is in them");
  page.done();
  await page.context().close();
}

// Without JavaScript nothing is missing, and the page comes again by itself.
{
  const page = await open("no-script", url, { javaScriptEnabled: false });
  const html = await page.content();
  check(/<noscript><meta http-equiv="refresh" content="10"><\/noscript>/.test(html), "without JavaScript the page refreshes itself");
  check((await page.locator("button").count()) === 1, "without JavaScript there is no button that does nothing");
  check((await page.locator("#alerts code.cut").first().textContent()).startsWith("kinesis-alerter explain --config "), "without JavaScript the command can be selected");
  for (const section of ["Shards", "Topics", "Rules", "Last alerts", "Workers", "Configuration", "What the numbers mean"]) {
    check(await page.locator(".card > h2", { hasText: section }).isVisible(), `without JavaScript there is ${section}`);
  }
  check(!(await page.locator("#pause").isVisible()), "without JavaScript there is no refreshing to stop");
  await page.locator("#yaml > summary").click();
  check(await page.locator("#configuration pre").isVisible(), "without JavaScript the configuration unfolds");
  await picture(page, join(out, "status-no-script.png"));
  page.done();
  await page.context().close();
}

// Over a refresh: the figures move, the page does not.
{
  const page = await open("refresh", url, {});
  await page.evaluate(() => { window.sameDocument = true; });
  await page.locator("#yaml > summary").click();
  const resolved = () => page.evaluate(() => Number(document.querySelector("#rules dd").textContent.replaceAll(",", "")));
  const before = await resolved();
  await page.evaluate(() => window.scrollTo(0, 400));
  const place = await page.evaluate(() => window.scrollY);
  await page.waitForFunction((n) => Number(document.querySelector("#rules dd").textContent.replaceAll(",", "")) > n, before, { timeout: 20000 }).catch(() => {});
  check((await resolved()) > before, `the count of records grew from ${before}`);
  check(await page.evaluate(() => window.sameDocument === true), "without a reload");
  check(await page.evaluate(() => document.getElementById("yaml").open), "what is unfolded stays unfolded");
  check(await page.evaluate(() => document.activeElement?.closest("details")?.id === "yaml"), "the keyboard stays where it is");
  check((await page.evaluate(() => window.scrollY)) === place, "the page stays where it is");
  check(/^refreshed/.test(await page.textContent("#fresh")), "the page says when it was refreshed");
  await page.locator("#pause").click();
  const paused = await resolved();
  await page.waitForTimeout(7000);
  check((await resolved()) === paused, "what is stopped stands");
  check((await page.title()).startsWith("not refreshed – "), "and so says its tab");
  check(/^not refreshed since /.test(await page.textContent("#fresh")), "and the foot of the page");
  await page.locator("#pause").click();
  await page.waitForFunction((n) => Number(document.querySelector("#rules dd").textContent.replaceAll(",", "")) > n, paused, { timeout: 20000 }).catch(() => {});
  check((await resolved()) > paused, "and ends");
  page.done();
  await page.context().close();
}

// What can be copied is copied, by the keyboard as well, with a clipboard and in the old way, and the keyboard stays on its button
// over a refresh. A heading leads to what it means.
{
  const page = await open("copy", url, {});
  await page.context().grantPermissions(["clipboard-read", "clipboard-write"]);
  const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
  for (const [what, place, wants] of [
    ["a shard", "#shards .copy", /^shardId-\d{12}$/], ["a worker", "#workers .copy", /^alerter-\d\/[0-9a-f]+$/],
    ["an alert", "#alerts td:nth-child(8) .copy", /^[0-9a-f]{64}$/],
    ["a command", "#alerts td:nth-child(9) .copy", /^kinesis-alerter explain --config \S+ --shard shardId-\d{12} --sequence \d+$/],
  ]) {
    await page.locator(place).first().focus();
    await page.keyboard.press("Enter");
    await page.waitForFunction(() => /^copied /.test(document.getElementById("said").textContent), null, { timeout: 2000 }).catch(() => {});
    check(wants.test(await clipboard()), `copy: ${what}: ${await clipboard()}`);
    check(/^copied /.test(await page.textContent("#said")), `copy: ${what}: a screen reader hears it`);
  }
  const label = () => page.evaluate(() => document.activeElement?.getAttribute("aria-label"));
  await page.locator("#shards .copy").first().focus();
  const at = await label();
  const said = await page.textContent("#fresh");
  await page.waitForFunction((s) => document.getElementById("fresh").textContent !== s, said, { timeout: 20000 }).catch(() => {});
  check((await label()) === at, `copy: the keyboard stays on ${at}, not ${await label()}`);
  await page.evaluate(() => Object.defineProperty(window, "isSecureContext", { value: false }));
  await page.evaluate(() => navigator.clipboard.writeText("nothing"));
  await page.locator("#workers .copy").first().click();
  await page.waitForTimeout(100);
  check(/^alerter-/.test(await clipboard()), `copy: without a secure context: ${await clipboard()}`);
  check(await page.evaluate(() => document.activeElement?.className === "copy done" && document.querySelectorAll("textarea").length === 0), "copy: and nothing of that is left");
  await page.locator('.shards a.col[href="#about-behind"]').first().focus();
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.getElementById("glossary").open, null, { timeout: 2000 }).catch(() => {});
  check(await page.evaluate(() => document.activeElement?.id === "about-behind" && document.getElementById("glossary").open), "a heading leads to what it means");
  check(await page.locator("#about-behind").isVisible(), "which can be seen");
  await structure("copy, glossary", page);
  await accessible("copy, glossary", page);
  await picture(page, join(out, "status-glossary.png"));
  page.done();
  await page.context().close();
}

// While text is selected the page stays as it is and says so; in the background the tab's title and icon go on telling how things are.
{
  const page = await open("selected", url, {});
  const resolved = () => page.evaluate(() => Number(document.querySelector("#rules dd").textContent.replaceAll(",", "")));
  const forge = () => page.evaluate(() => { document.title = "forged"; document.querySelector("link[rel=icon]").href = "data:,"; });
  const labelled = () => page.evaluate(() => document.title !== "forged" && document.querySelector("link[rel=icon]").href.startsWith("data:image/svg"));
  await page.evaluate(() => window.getSelection().selectAllChildren(document.querySelector("#rules h2")));
  const before = await resolved();
  await forge();
  await page.waitForFunction(() => /^not refreshed while text is selected/.test(document.getElementById("fresh").textContent), null, { timeout: 20000 }).catch(() => {});
  check(/^not refreshed while text is selected/.test(await page.textContent("#fresh")), `selected: the page says that it stands: ${await page.textContent("#fresh")}`);
  check((await resolved()) === before, "selected: the page stays as it is");
  check(await labelled(), "selected: the title and the icon do not");
  await page.evaluate(() => window.getSelection().removeAllRanges());
  await page.waitForFunction((n) => Number(document.querySelector("#rules dd").textContent.replaceAll(",", "")) > n, before, { timeout: 4000 }).catch(() => {});
  check((await resolved()) > before, "selected: the page is refreshed as soon as nothing is selected");
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { value: true, configurable: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  await forge();
  await page.waitForFunction(() => document.title !== "forged", null, { timeout: 40000 }).catch(() => {});
  check(await labelled(), "hidden: the title and the icon are refreshed every 30 s");
  page.done();
  await page.context().close();
}

// The daemon dies: the page says so, and does not go on saying that all is well.
{
  const page = await open("gone", url, {}, true);
  await fetch(`${control}/kill`, { method: "POST" });
  await page.waitForFunction(() => document.getElementById("gone").textContent !== "", null, { timeout: 20000 }).catch(() => {});
  check(/has not answered for \d+ s/.test(await page.textContent("#gone")), "the page says that the daemon does not answer");
  check((await page.title()).startsWith("✕ no answer"), "and so does its tab");
  await structure("gone", page);
  await accessible("gone", page);
  await picture(page, join(out, "status-gone.png"), { fullPage: false });
  check(page.complaints.every((c) => /ERR_|Failed to load/.test(c)), `gone: nothing but the missing answer: ${page.complaints.join(" | ")}`);
  await page.context().close();
}

await browser.close();
finish();
