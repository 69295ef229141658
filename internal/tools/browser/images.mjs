// Takes the pictures of the status page while the demo tells its story: images.mjs CAPTURE FOLDER. CAPTURE grows as the demo
// writes to its terminal; it names the page, and says when the other worker has sent what was due.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { launch, picture } from "./browser.mjs";

const [capture, out] = process.argv.slice(2);

// told waits for the demo to write something.
async function told(pattern, seconds) {
  for (let i = 0; i < seconds * 10; i++) {
    const found = pattern.exec(readFileSync(capture, "utf8"));
    if (found) return found;
    await new Promise((done) => setTimeout(done, 100));
  }
  throw new Error(`the demo has not written ${pattern} within ${seconds} s; see ${capture}`);
}

const url = (await told(/http:\/\/127\.0\.0\.1:\d+\//, 30))[0];
const browser = await launch();
await told(/The alert that waited longest/, 80);
for (const [name, height, options] of [
  ["status.png", 1000, { viewport: { width: 1240, height: 1000 }, colorScheme: "light" }],
  ["status-phone.png", 900, { viewport: { width: 390, height: 844 }, isMobile: true, colorScheme: "dark", deviceScaleFactor: 2 }],
]) {
  const page = await browser.newPage(options);
  await page.goto(url, { waitUntil: "load" });
  // As many whole cards as fit.
  const bottom = await page.evaluate((height) => Math.max(...[...document.querySelectorAll(".card")]
    .map((c) => Math.ceil(c.getBoundingClientRect().bottom)).filter((b) => b < height)), height);
  await picture(page, join(out, name), { clip: { x: 0, y: 0, width: options.viewport.width, height: bottom + 8 } });
  await page.close();
}
await browser.close();
