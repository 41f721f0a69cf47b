/** docs/metrics.md, the alert rules and the dashboard speak of what a recorder prints, and the first of all of it. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse } from 'yaml';
import { hubMetrics } from '../../fleet/hub/metrics.ts';
import { liveStatus, type LiveStatus } from '../../profiler/serve/live-status.ts';
import { metricsText } from '../../profiler/serve/metrics.ts';

const ROOT = join(import.meta.dirname, '../../..');
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8');

/** A recorder that has everything to report. */
const FULL: LiveStatus = {
  ...liveStatus(undefined, {
    pending: 0,
    capacity: 1,
    version: '1.2.3',
    database: { bytes: 1, log: 1 },
    subjects: { stable: 1, stabilizing: 1, learning: 1 },
    watch: { backend: 'lsm', stoppedPackets: 1, secondJudge: true },
    output: { messages: 1, lines: 1 },
    names: {
      known: 1,
      room: 1,
      patterns: 1,
      unasked: 1,
      foreign: 1,
      unlisted: 1,
      strayed: 1,
      doubted: 1,
      impostors: 1,
      withoutRoom: 1,
    },
    fleet: {
      connected: true,
      hub: 'hub.example:8443',
      acknowledged: 1,
      unsentRows: 1,
      certificateEnds: 1,
      policy: { workload: 'web', revision: 1, mode: 'block', stale: false },
    },
    enforcement: {
      mode: 'block',
      policyHash: 'a319adda2ef2',
      generation: 1,
      loadedAt: 1,
      reloadFailed: false,
      denied: 1,
      wouldBeDenied: 1,
      shadow: {
        file: '/next.yaml',
        policyHash: 'def',
        since: 0,
        judged: 1,
        denies: 1,
        allows: 1,
        unknown: 0,
        subjects: [],
      },
    },
  }),
  bounds: { heap: 1, heapLimit: 1, cgroupLimit: 1, oomScoreAdjust: 0 },
};

/** A hub, which has everything to report at any time. */
const HUB = hubMetrics({
  version: '1.2.3',
  streams: 1,
  trusting: 1,
  engineReachable: true,
  leads: true,
  intake: { waitingRows: 1, rows: 1, refusedRows: 1, busy: 1, merges: 1 },
  offering: { offers: 1, taken: 1, refused: 1, open: 1, waiting: 1 },
  memory: 1,
  faults: 1,
});

/** Each metric with the labels that it has, as the table of the document writes it. */
const PRINTED = new Map(
  [...(metricsText(FULL) + HUB).matchAll(/^(bouheki_\w+)(?:\{(.*)\})? \S+$/gm)].map(([, name, labels]) => [
    name!,
    [...(labels ?? '').matchAll(/(\w+)="/g)].map(([, label]) => label!),
  ]),
);

const namesIn = (text: string) => new Set([...text.matchAll(/\bbouheki_\w+/g)].map(([name]) => name));

test('the document has every metric with its labels, and no other', () => {
  const tables = read('docs/metrics.md')
    .split('\n')
    .filter((line) => line.startsWith('| `bouheki_'))
    .map((line) => line.split('|')[1]!);
  const documented = new Map(
    tables.flatMap((cell) =>
      [...cell.matchAll(/`(bouheki_\w+)(?:\{([\w,]+)\})?`/g)].map(([, name, labels]) => [
        name!,
        labels?.split(',') ?? [],
      ]),
    ),
  );
  assert.ok(documented.size > 30);
  assert.deepEqual(
    [...documented].toSorted(([a], [b]) => (a < b ? -1 : 1)),
    [...PRINTED].toSorted(([a], [b]) => (a < b ? -1 : 1)),
  );
});

test('each word for a label that the document lists is one that is printed, and the other way round', () => {
  const reasons = [...metricsText(FULL).matchAll(/(?:reason|state)="(\w+)"/g)].map(([, value]) => value!);
  const lines = read('docs/metrics.md').split('\n');
  const listed = lines
    .filter((line) => /^\| `bouheki_(?:answers_not_believed_total|subjects)\{/.test(line))
    .flatMap((line) => [...line.split('|')[2]!.matchAll(/`(\w+)`/g)].map(([, value]) => value!));
  assert.deepEqual(listed.toSorted(), reasons.toSorted());
});

interface Alert {
  alert: string;
  expr: string;
}

test('alert rules ask for metrics and labels that there are, and the document has each alert', () => {
  const { groups } = parse(read('packaging/monitoring/alerts.yaml')) as { groups: { rules: Alert[] }[] };
  const rules = groups.flatMap((group) => group.rules);
  assert.deepEqual(
    rules.flatMap(({ expr }) => [...namesIn(expr)]).filter((name) => !PRINTED.has(name)),
    [],
  );
  const labels = new Set([...PRINTED.values()].flat().concat('instance', 'job'));
  const asked = rules.flatMap(({ expr }) => [
    ...[...expr.matchAll(/by \(([\w, ]+)\)/g)].flatMap(([, list]) => list!.split(', ')),
    ...[...expr.matchAll(/(\w+)(?:=~|!~|!=|=)"/g)].map(([, label]) => label!),
  ]);
  assert.ok(asked.length > 3);
  assert.deepEqual(
    asked.filter((label) => !labels.has(label)),
    [],
  );
  const documented = [...read('docs/metrics.md').matchAll(/^\| `(Bouheki\w+)` \|/gm)].map(([, name]) => name);
  assert.deepEqual(
    documented,
    rules.map(({ alert }) => alert),
  );
});

interface Panel {
  id: number;
  gridPos: { x: number; y: number; w: number; h: number };
  targets: { expr: string }[];
}

test('the dashboard asks for metrics that there are, and no panel lies on another', () => {
  const text = read('packaging/monitoring/dashboard.json');
  const { panels } = JSON.parse(text) as { panels: Panel[] };
  const asked = panels.flatMap(({ targets }) => targets.flatMap(({ expr }) => [...namesIn(expr)]));
  assert.ok(asked.length > 15);
  assert.deepEqual(
    [...namesIn(text)].filter((name) => !PRINTED.has(name)),
    [],
  );
  assert.equal(new Set(panels.map(({ id }) => id)).size, panels.length);
  const cells = panels.flatMap(({ gridPos: { h, w, x, y } }) =>
    Array.from({ length: w * h }, (_, at) => `${x + (at % w)},${y + Math.floor(at / w)}`),
  );
  assert.equal(new Set(cells).size, cells.length);
  assert.ok(panels.every(({ gridPos: { w, x } }) => x + w <= 24));
});
