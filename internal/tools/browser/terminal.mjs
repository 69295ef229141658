// Draws what a program has written to a terminal: terminal.mjs CAPTURE PICTURE [PROMPT]. CAPTURE is what script(1) recorded;
// the words are all its own; the colours and the prompt above are the picture's.
import { readFileSync } from "node:fs";
import { launch, picture } from "./browser.mjs";

const [capture, out, prompt] = process.argv.slice(2);

// screen plays carriage returns and erased lines, which is all that the demo asks of a terminal.
function screen(text) {
  const lines = [""];
  let column = 0;
  for (let i = 0; i < text.length; i++) {
    const sequence = /^\x1b\[([0-9;?]*)([A-Za-z])/.exec(text.slice(i, i + 20));
    if (sequence) {
      if (sequence[2] === "K" && sequence[1] === "2") lines[lines.length - 1] = "";
      i += sequence[0].length - 1;
    } else if (text[i] === "\r") {
      column = 0;
    } else if (text[i] === "\n") {
      lines.push("");
      column = 0;
    } else {
      const line = lines[lines.length - 1].padEnd(column);
      lines[lines.length - 1] = line.slice(0, column) + text[i] + line.slice(column + 1);
      column++;
    }
  }
  return lines;
}

const recorded = readFileSync(capture, "utf8").replace(/^Script (started|done).*\n?/gm, "");
const lines = screen(recorded).map((l) => l.trimEnd());
while (lines.length > 0 && lines.at(-1) === "") lines.pop();
const escape = (s) => s.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
const body = lines.map(escape).map((l) =>
  l.replace(/^(│ Subject: )(.*)( │)$/, "$1<b>$2</b>$3").replace(/[│┌┐└┘├┤─]+/g, "<i>$&</i>")
    .replace(/^(emulator|stream|topic|status|metrics|rule)( +)/, "<u>$1</u>$2").replace(/^( {2}[a-z]+ +)/, "<u>$1</u>")).join("\n");
const browser = await launch();
const page = await browser.newPage({ viewport: { width: 800, height: 400 }, deviceScaleFactor: 1.25 });
await page.setContent(`<!doctype html><html lang="en"><title>terminal</title><style>
body { margin: 0; display: inline-block; background: #15181c; }
div { display: flex; gap: 7px; padding: 12px 14px 0; } div span { width: 11px; height: 11px; border-radius: 50%; background: #3a4048; }
pre { margin: 0; padding: 10px 22px 20px 18px; color: #d7dade; font: 13px/1.17 "DejaVu Sans Mono", "Liberation Mono", monospace; }
pre b { color: #f2b8a0; font-weight: 600; } pre i { color: #6b7480; font-style: normal; } pre u { color: #8fb8ea; text-decoration: none; } pre em { color: #72c798; font-style: normal; }
</style><body><div><span></span><span></span><span></span></div><pre><em>${escape(prompt ?? "")}</em>\n${body}</pre></body></html>`);
const box = await page.locator("body").boundingBox();
await page.setViewportSize({ width: Math.ceil(box.width), height: Math.ceil(box.height) });
await picture(page, out);
await browser.close();
