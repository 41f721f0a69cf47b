import { spawn } from 'node:child_process';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { folder } from './guest.ts';

/** Says ten times a second what came of its attempts: to write more often takes more than they do. */
const HAMMER = `
import errno, json, os, socket, sys, time
address, folder, pause = sys.argv[1], sys.argv[2], float(sys.argv[3])
results, written = {}, 0
def write():
    with open(folder + '/next', 'w') as file:
        json.dump(results, file)
    os.rename(folder + '/next', folder + '/results')
while not os.path.exists(folder + '/stop'):
    try:
        socket.create_connection((address, 80), 20).close()
        result = 'reached'
    except OSError as error:
        result = errno.errorcode[error.errno] if error.errno else 'no answer'
    results[result] = results.get(result, 0) + 1
    if time.monotonic() > written + 0.1:
        written = time.monotonic()
        write()
    time.sleep(pause)
write()
`;

/** A client that connects to an address again and again, with a pause of 10 ms or so many. */
export class Hammer {
  readonly #folder = folder();
  readonly #ended: Promise<unknown>;

  constructor(address: string, pause = 10) {
    const command = ['-I', '-S', '-c', HAMMER, address, this.#folder, String(pause / 1000)];
    const child = spawn('python3', command, { stdio: ['ignore', 'inherit', 'inherit'] });
    this.#ended = new Promise((resolve) => child.once('close', resolve));
  }

  /** How often which of `reached` and the names of errors came. */
  get results(): Record<string, number> {
    const file = join(this.#folder, 'results');
    return existsSync(file) ? (JSON.parse(readFileSync(file, 'utf8')) as Record<string, number>) : {};
  }

  /** Waits for so many attempts from now on. */
  async go(attempts: number): Promise<void> {
    const count = (): number => Object.values(this.results).reduce((sum, each) => sum + each, 0);
    const enough = count() + attempts;
    for (const deadline = performance.now() + 120_000; count() < enough; await sleep(50))
      if (performance.now() > deadline) throw new Error(`${count()} attempts of ${enough}`);
  }

  async end(): Promise<Record<string, number>> {
    writeFileSync(join(this.#folder, 'stop'), '');
    await this.#ended;
    return this.results;
  }
}
