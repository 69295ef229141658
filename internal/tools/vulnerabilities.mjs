// Known vulnerabilities in what the daemon is made of, by govulncheck: only those whose code is reached count.
//
// The database is the public one where it can be reached, else the newest snapshot that the Go module proxy has
// (golang.org/x/vulndb), else the check says that it was skipped, and passes. The standard library is that of the toolchain which
// go.mod names, the least that a release is built with: one of its vulnerabilities that a newer patch release fixes is fixed by
// that line, and fails. Where that toolchain cannot be had the one at hand is looked at, and its vulnerabilities are only shown.
import {execFileSync, spawnSync} from "node:child_process";
import {mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync} from "node:fs";
import {tmpdir} from "node:os";
import {join} from "node:path";

const snapshot = "golang.org/x/vulndb@latest";
const go = process.env.GO || "go";
const named = /^toolchain (go[\d.]+)$/m.exec(readFileSync("go.mod", "utf8"))?.[1];
const release = named && spawnSync(go, ["version"], {env: {...process.env, GOTOOLCHAIN: named}}).status === 0;
if (release) process.env.GOTOOLCHAIN = named;
console.log(`vulnerabilities: with ${release ? named : `the toolchain at hand: ${named ?? "none is named in go.mod and it"} cannot be had`}`);

// scan returns what govulncheck says as JSON, or null when it has no database.
function scan(...database) {
	const run = spawnSync(go, ["tool", "-modfile=internal/tools/go.mod", "govulncheck", "-format", "json", ...database, "./..."],
		{encoding: "utf8", maxBuffer: 1 << 30});
	if (run.status === 0) return run.stdout;
	if (/fetching vulnerabilities|no such host|connection refused|i\/o timeout/.test(run.stderr)) return null;
	throw new Error(`govulncheck ended with ${run.status}: ${run.stderr}`);
}

// index lays a snapshot out as govulncheck reads databases: see https://go.dev/doc/security/vuln/database.
function index(folder, into) {
	const osv = join(folder, "data", "osv"), modules = new Map();
	for (const file of readdirSync(osv)) {
		const entry = JSON.parse(readFileSync(join(osv, file)));
		for (const affected of entry.affected ?? []) {
			const path = affected.package.name;
			if (!modules.has(path)) modules.set(path, new Map());
			modules.get(path).set(entry.id, {id: entry.id, modified: entry.modified});
		}
	}
	mkdirSync(join(into, "index"));
	symlinkSync(osv, join(into, "ID"));
	writeFileSync(join(into, "index", "db.json"), JSON.stringify({modified: "0001-01-01T00:00:00Z"}));
	writeFileSync(join(into, "index", "modules.json"),
		JSON.stringify([...modules].sort().map(([path, vulns]) => ({path, vulns: [...vulns.values()]}))));
}

// messages splits govulncheck's output, which is one indented JSON value after another.
function messages(text) {
	return text.split(/\n(?=\{\n)/).filter(Boolean).map((part) => JSON.parse(part));
}

function fromSnapshot() {
	let module;
	try {
		module = JSON.parse(execFileSync(go, ["mod", "download", "-json", snapshot], {encoding: "utf8", stdio: ["ignore", "pipe", "pipe"], cwd: tmpdir()}));
	} catch {
		return null;
	}
	const folder = mkdtempSync(join(tmpdir(), "vulnerabilities-"));
	try {
		index(module.Dir, folder);
		console.log(`vulnerabilities: by the snapshot golang.org/x/vulndb ${module.Version}`);
		return scan("-db", `file://${folder}`);
	} finally {
		rmSync(folder, {recursive: true});
	}
}

const found = scan() ?? fromSnapshot();
if (found === null) {
	console.log("vulnerabilities: skipped: database unreachable");
	process.exit(0);
}
const ours = new Map(), toolchain = new Map(), summaries = new Map();
let scanned = 0;
for (const {osv, finding, SBOM} of messages(found)) {
	if (SBOM) scanned = SBOM.modules.length;
	if (osv) summaries.set(osv.id, osv.summary);
	if (!finding?.trace[0].function) continue; // imported or required, and never called
	const at = finding.trace[0];
	(at.module === "stdlib" ? toolchain : ours).set(finding.osv, `${at.module} ${at.version}, fixed in ${finding.fixed_version || "no version yet"}`);
}
const list = (found) => [...found].sort().forEach(([id, where]) => console.log(`  ${id}: ${summaries.get(id)}: ${where}`));
if (scanned === 0) throw new Error("govulncheck scanned no module");
console.log(`vulnerabilities: ${scanned} modules, ${ours.size} reached in modules, ${toolchain.size} reached in the toolchain's standard library`);
list(toolchain);
const fixable = [...toolchain].filter(([, where]) => !where.endsWith("no version yet"));
if (toolchain.size > 0) console.log("  name a newer toolchain in go.mod, and the same version in the Dockerfile's BUILD_IMAGE");
list(ours);
process.exitCode = ours.size > 0 || release && fixable.length > 0 ? 1 : 0;
