/**
 * A registry of npm with the packages of one folder: `node npm-registry.js FOLDER PORT`. In the folder there are files that
 * `npm pack` has made, NAME-VERSION.tgz. Says `listening` when it does.
 */
import { createHash } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';

const [folder, port] = process.argv.slice(2) as [string, string];
const base = `http://127.0.0.1:${port}`;

/** What npm asks for first: all versions, each with its file. */
function packument(name: string): object {
  const versions = readdirSync(folder).flatMap((file) => {
    const version = new RegExp(`^${name}-(\\d+\\.\\d+\\.\\d+)\\.tgz$`).exec(file)?.[1];
    if (version === undefined) return [];
    const digest = createHash('sha512')
      .update(readFileSync(join(folder, file)))
      .digest('base64');
    const dist = { tarball: `${base}/-/${file}`, integrity: `sha512-${digest}` };
    return [[version, { name, version, dist, hasInstallScript: true }] as const];
  });
  return { name, 'dist-tags': { latest: versions.at(-1)![0] }, versions: Object.fromEntries(versions) };
}

createServer(({ url = '/' }, response) => {
  const file = /^\/-\/([\w.-]+\.tgz)$/.exec(url)?.[1];
  if (file !== undefined) response.end(readFileSync(join(folder, file)));
  else if (/^\/[a-z-]+$/.test(url)) response.end(JSON.stringify(packument(url.slice(1))));
  else response.writeHead(404).end();
}).listen(Number(port), '127.0.0.1', () => process.stdout.write('listening\n'));
