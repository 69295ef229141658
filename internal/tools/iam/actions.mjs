// Looks up every IAM action that the given files name in AWS' service authorization reference: a policy with a misspelt
// action is valid, and allows nothing. JSON files are policies; in others every quoted service:Action counts.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';

const { Statement } = createRequire(import.meta.url)('iam-floyd');

const known = new Map();
for (const Service of Object.values(Statement)) {
  if (typeof Service !== 'function') continue;
  let service;
  try {
    service = new Service();
  } catch {
    continue; // a base class
  }
  if (service.servicePrefix) {
    known.set(service.servicePrefix, new Set(Object.values(service.accessLevelList).flat()));
  }
}

const conditionKeys = new Set(['aws:SourceAccount', 'aws:SourceArn', 'kms:ViaService']);

function actionsOf(file) {
  const text = readFileSync(file, 'utf8');
  if (file.endsWith('.json')) {
    return JSON.parse(text).Statement.flatMap((s) => [s.Action].flat());
  }
  return [...text.matchAll(/"([a-z0-9-]+:[A-Z]\w+)"/g)].map((m) => m[1]).filter((a) => !conditionKeys.has(a));
}

let failed = false;
for (const file of process.argv.slice(2)) {
  const actions = [...new Set(actionsOf(file))];
  for (const action of actions) {
    const [service, name] = action.split(':');
    if (!known.get(service)?.has(name)) {
      console.error(`${file}: there is no action ${action}`);
      failed = true;
    }
  }
  console.log(`${file}: ${actions.length} actions`);
}
process.exit(failed ? 1 : 0);
