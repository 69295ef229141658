// What the scripts beside this one share: the machine's own Chromium, and a list of what went wrong.
import { existsSync, statSync } from "node:fs";
import { chromium } from "playwright-core";

const programs = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

// launch starts a browser that asks nobody on the internet for anything.
export async function launch() {
  const executablePath = programs.find((p) => p && existsSync(p));
  if (!executablePath) throw new Error("no Chromium; install the package chromium, or set CHROMIUM to its path");
  return chromium.launch({
    executablePath,
    args: [
      "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
      "--disable-component-update", "--disable-sync", "--hide-scrollbars", "--font-render-hinting=none",
    ],
  });
}

const faults = [];

// check notes what is wrong and goes on.
export function check(ok, what) {
  if (!ok) {
    faults.push(what);
    console.log(`FAILED  ${what}`);
  }
}

// finish ends the script with what was found.
export function finish() {
  console.log(faults.length === 0 ? "all is as it should be" : `${faults.length} faults`);
  process.exitCode = faults.length === 0 ? 0 : 1;
}

export async function picture(page, path, options = {}) {
  await page.screenshot({ path, fullPage: true, ...options });
  console.log(`picture ${path} ${statSync(path).size} bytes`);
}
