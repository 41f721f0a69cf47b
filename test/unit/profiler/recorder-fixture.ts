import type { Folded, MappedRecords } from '../../../bpf/share.ts';
import { COUNTERS } from '../../../bpf/wire.ts';
import { AccountNames, type AccountSource } from '../../../profiler/identity/account.ts';
import type { EventBatch } from '../../../profiler/event/batch.ts';
import { ContainerNames } from '../../../profiler/identity/container.ts';
import { CredentialTable } from '../../../profiler/identity/credential-table.ts';
import type { Credential } from '../../../profiler/event/credential.ts';
import type { AnswerRow, ContainerRow, FoldedRow, ProcessRow } from '../../../profiler/event/dimension.ts';
import { ProcessTable } from '../../../profiler/identity/process-table.ts';
import type { Denial, ExcessDenials } from '../../../profiler/record/denial.ts';
import { Recorder } from '../../../profiler/record/recorder.ts';
import type { EventSink } from '../../../profiler/event/sink.ts';
import { FakeRing } from './fake-ring.ts';

/** What a recorder wrote, row by row. */
export class Written implements EventSink {
  readonly counters = { events: 0 };
  readonly processes: ProcessRow[] = [];
  readonly containers: ContainerRow[] = [];
  readonly updates: [id: number, row: ContainerRow][] = [];
  readonly commands: string[] = [];
  readonly credentials: Credential[] = [];
  readonly accounts: [kind: string, id: number, name: string][] = [];
  readonly events: Record<string, number | bigint>[] = [];
  readonly losses: [kind: string, count: number, uid?: number][] = [];
  readonly folds: FoldedRow[] = [];
  readonly nameSets: (readonly string[])[] = [];
  readonly answers: AnswerRow[] = [];
  readonly nameEpoch = 0;
  flushes = 0;
  room = Number.POSITIVE_INFINITY;

  process = (row: ProcessRow) => this.processes.push(row);
  container = (row: ContainerRow) => this.containers.push(row);
  updateContainer = (id: number, row: ContainerRow) => void this.updates.push([id, row]);
  command = (text: string) => this.commands.push(text);
  credential = (row: Credential) => this.credentials.push(row);
  account = (kind: string, id: number, name: string) => void this.accounts.push([kind, id, name]);
  recordLoss = (kind: string, count: number, uid?: number) => {
    if (count > 0) this.losses.push(uid === undefined ? [kind, count] : [kind, count, uid]);
  };
  nameSet = (names: readonly string[]) => {
    if (names.length === 0) return 0;
    const known = this.nameSets.findIndex((set) => set.join() === names.join());
    return known >= 0 ? known + 1 : this.nameSets.push(names);
  };
  answer = (row: AnswerRow) => void this.answers.push(row);
  folded = (row: FoldedRow) => {
    this.folds.push(row);
    this.counters.events += row.count;
  };
  settle = () => {};
  flush = () => void (this.flushes += 1);
  append = (batch: EventBatch) => {
    for (let row = 0; row < batch.length; row += 1) {
      const columns = Object.entries(batch.columns);
      this.events.push(Object.fromEntries(columns.map(([name, values]) => [name, values[row]!])));
    }
    this.counters.events += batch.events;
  };
}

/** No users and groups but those of a test. */
const NOBODY: AccountSource = {
  files: { user: '/dev/null', group: '/dev/null' },
  program: 'true',
  patience: 1000,
};

/** The memory of a record. */
function recordsOf(key: Buffer): MappedRecords {
  const bytes = new Uint8Array(key);
  return { bytes, view: new DataView(bytes.buffer), words: new Uint32Array(bytes.buffer) };
}

/** A recorder with rings that a test fills, and what it writes. */
export function recording(source: Partial<AccountSource> = {}) {
  const connections = new FakeRing();
  const denials = new FakeRing();
  const folds: [key: Buffer, folded: Folded][] = [];
  const repeats: [key: Buffer, folded: Folded][] = [];
  const excess: ExcessDenials[] = [];
  const counters = Array.from({ length: COUNTERS }, () => 0);
  const written = new Written();
  const denied: Denial[] = [];
  const made: [bigint, string][] = [];
  let facts: { name: string; image: string; imageId: string } | undefined;
  const names = new ContainerNames([{ name: 'podman', find: () => facts }]);
  const processes = new ProcessTable(written, names);
  const accounts = new AccountNames({ ...NOBODY, ...source });
  const recorder = new Recorder(
    {
      connections: connections.ring,
      denials: denials.ring,
      counters: () => [...counters],
      takeFolds: (visitor, settle) => {
        if (folds.length + repeats.length > 0) settle();
        for (const fold of folds.splice(0)) visitor.folded(...fold);
        while (repeats.length > 0 && visitor.room > 0) {
          const [key, folded] = repeats.shift()!;
          visitor.repeated(recordsOf(key), 0, folded);
        }
        return repeats.length === 0;
      },
      tellAgain: () => {},
    },
    written,
    processes,
    new CredentialTable(written, accounts),
    {
      denied: (denial) => denied.push(denial),
      excess: (denials) => excess.push(denials),
      cgroupMade: (id, path) => made.push([id, path]),
    },
  );
  const learnName = () => void (facts = { name: 'web', image: 'nginx:1', imageId: '' });
  const forgetName = () => void (facts = undefined);
  return {
    connections,
    denials,
    folds,
    repeats,
    excess,
    counters,
    written,
    denied,
    made,
    processes,
    accounts,
    recorder,
    learnName,
    forgetName,
  };
}
