/** The manifests of packaging/kubernetes are what Kubernetes knows, with no field that it would not. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { DaemonSet } from 'kubernetes-models/apps/v1';
import { ConfigMap, Namespace } from 'kubernetes-models/v1';
import { parse, parseAllDocuments } from 'yaml';
import { parsePolicy } from '../../policy/file/parse.ts';

const ROOT = join(import.meta.dirname, '../../..');
const FOLDER = join(ROOT, 'packaging/kubernetes');
// Beside node_modules/, where the compiler looks for types.
const place = mkdtempSync(join(ROOT, 'dist/kubernetes-'));
after(() => rmSync(place, { recursive: true }));

interface Resource {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string };
}

const KINDS = { DaemonSet, Namespace, ConfigMap };
/** Where each type is exported. */
const TYPES: Record<string, string> = { DaemonSet: 'apps/v1', Namespace: 'v1', ConfigMap: 'v1' };

/** Throws what is wrong with a resource: a value that is missing, or has another type than it must have. */
function validate(resource: Resource): void {
  const Kind = KINDS[resource.kind as keyof typeof KINDS];
  assert.ok(Kind, resource.kind);
  assert.equal(resource.apiVersion, Kind.apiVersion);
  new Kind(resource as never).validate();
}

/** What the compiler says of resources as literals of their types: it knows fields that there are not. */
function compile(resources: readonly Resource[]): string {
  const lines = resources.flatMap((resource, at) => [
    `import type { I${resource.kind} as I${at} } from 'kubernetes-models/${TYPES[resource.kind]}';`,
    `export const resource${at}: I${at} = ${JSON.stringify(resource)};`,
  ]);
  const file = join(place, 'resources.ts');
  writeFileSync(file, lines.join('\n'));
  const options = ['--ignoreConfig', '--noEmit', '--strict', '--skipLibCheck', '--module', 'nodenext'];
  return spawnSync(join(ROOT, 'node_modules/.bin/tsc'), [...options, file], { encoding: 'utf8' }).stdout;
}

/** What `kubectl apply -k` would send. */
function built(folder: string): Resource[] | undefined {
  const { error, status, stderr, stdout } = spawnSync('kubectl', ['kustomize', join(FOLDER, folder)], {
    encoding: 'utf8',
  });
  if (error) return undefined;
  assert.equal(status, 0, stderr);
  return parseAllDocuments(stdout).map((document) => document.toJS() as Resource);
}

const read = (path: string) => readFileSync(join(FOLDER, path), 'utf8');

test('each manifest is of its kind, and has no field that is none', () => {
  const resources = ['namespace.yaml', 'daemonset.yaml'].map(
    (file) => parse(read(`learn/${file}`)) as Resource,
  );
  resources.forEach(validate);
  assert.equal(compile(resources), '');
  const wrong = JSON.parse(JSON.stringify(resources[1]).replace('hostPID', 'hostPid')) as Resource;
  assert.match(compile([wrong]), /hostPid/);
});

test('what kustomize makes of both folders is too, and enforcing takes the policy of its folder', (context) => {
  const [learn, enforce] = [built('learn'), built('enforce')];
  if (!learn || !enforce) return context.skip('kubectl is missing');
  for (const resources of [learn, enforce]) {
    resources.forEach(validate);
    assert.equal(compile(resources), '');
    assert.ok(
      resources.every(({ kind, metadata }) => kind === 'Namespace' || metadata.namespace === 'bouheki'),
    );
  }
  const map = enforce.find(({ kind }) => kind === 'ConfigMap')!;
  assert.match(JSON.stringify(enforce), new RegExp(`"configMap":\\{"name":"${map.metadata.name}"\\}`));
  assert.match(JSON.stringify(enforce), /"args":\["enforce","\/run\/bouheki-policy\/policy\.yaml"/);
  assert.match(JSON.stringify(learn), /"args":\["learn"/);
});

test('the policy that is there blocks nothing, and the image is that of this version', () => {
  assert.equal(parsePolicy(read('enforce/policy.yaml'), 'policy.yaml').policy?.mode, 'monitor');
  const { version } = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as { version: string };
  const { images } = parse(read('learn/kustomization.yaml')) as { images: { newTag: unknown }[] };
  assert.equal(images[0]!.newTag, version);
});
