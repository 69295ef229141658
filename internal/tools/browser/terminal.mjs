// Draws what the demo has written to a terminal: terminal.mjs CAPTURE SVG [PROMPT]. CAPTURE is what script(1) recorded. The
// words and which of them have a colour are all its own; the prompt above is the picture's. The colours follow the reader's
// colour scheme. Of every e-mail but the first only the subject is drawn, and nothing after the count.
import { readFileSync, statSync, writeFileSync } from "node:fs";

const [capture, out, prompt] = process.argv.slice(2);
const styles = { 1: "b", 2: "d", 31: "r", 32: "g", 33: "y", 36: "c" };

// screen plays carriage returns, erased lines and colours, which is all that the demo asks of a terminal. A line is a list of
// cells: a character and its style.
function screen(text) {
  const lines = [[]];
  let style = "";
  for (let i = 0; i < text.length; i++) {
    const sequence = /^\x1b\[([0-9;?]*)([A-Za-z])/.exec(text.slice(i, i + 20));
    if (sequence) {
      if (sequence[2] === "K") lines[lines.length - 1] = [];
      if (sequence[2] === "m") style = styles[sequence[1]] ?? "";
      i += sequence[0].length - 1;
    } else if (text[i] === "\n") {
      lines.push([]);
    } else if (text[i] !== "\r") {
      lines.at(-1).push([text[i], style]);
    }
  }
  return lines;
}

const words = (line) => line.map(([c]) => c).join("");

// shown is what is drawn of the lines.
function shown(lines) {
  const kept = [];
  let mails = 0, inside = false;
  for (const line of lines.slice(lines.findIndex((l) => /^kinesis-alerter/.test(words(l))))) {
    const text = words(line);
    if (text.startsWith("┌")) [mails, inside] = [mails + 1, true];
    if (!inside || mails === 1 || /^(┌|└|│ Subject:)/.test(text)) kept.push(line);
    if (text.startsWith("└")) inside = false;
    if (/^ +lost +\d/.test(text)) break;
  }
  return kept;
}

const escape = (s) => s.replaceAll("&", "&amp;").replaceAll("<", "&lt;");

// spans puts cells of one style together.
function spans(line) {
  const parts = [];
  for (const [c, style] of line) {
    if (parts.at(-1)?.style === style) parts.at(-1).text += c;
    else parts.push({ text: c, style });
  }
  return parts.map((p) => (p.style ? `<tspan class="${p.style}">${escape(p.text)}</tspan>` : escape(p.text))).join("");
}

const recorded = readFileSync(capture, "utf8").replace(/^Script (started|done).*\n?/gm, "");
const lines = [[...(prompt ?? "")].map((c) => [c, "g"]), ...shown(screen(recorded))];
const cell = 7.8, row = 16.5, left = 16, top = 44;
const width = Math.ceil(2 * left + cell * Math.max(...lines.map((l) => l.length)));
const height = Math.ceil(top + row * lines.length);
// Whatever monospaced font there is: each line is as long as its characters are many.
const text = lines.map((l, i) => l.length === 0 ? "" :
  `<text x="${left}" y="${(top + row * i).toFixed(1)}" textLength="${(cell * l.length).toFixed(1)}">${spans(l)}</text>`)
  .filter(Boolean).join("\n");
writeFileSync(out, `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" viewBox="0 0 ${width} ${height}" role="img">
<title>make demo, on a terminal</title>
<style>
rect { fill: #fafaf7; stroke: #d6d8d2; } circle { fill: #c9ccc6; } text { fill: #22262b; }
text { font: 13px ui-monospace, SFMono-Regular, Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace; white-space: pre; }
.b { font-weight: 700; } .d { fill: #5d656e; } .r { fill: #b3261e; } .g { fill: #1a6b3f; } .y { fill: #7a5600; } .c { fill: #1d5a96; }
@media (prefers-color-scheme: dark) {
rect { fill: #15181c; stroke: #30363d; } circle { fill: #3a4048; } text { fill: #d7dade; }
.d { fill: #98a1ab; } .r { fill: #f2938c; } .g { fill: #72c798; } .y { fill: #e0b860; } .c { fill: #8fb8ea; }
}
</style>
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8"/>
<circle cx="20" cy="16" r="5"/><circle cx="37" cy="16" r="5"/><circle cx="54" cy="16" r="5"/>
${text}
</svg>
`);
console.log(`picture ${out} ${statSync(out).size} bytes, ${lines.length} lines`);
