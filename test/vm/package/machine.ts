/** A fresh Debian with a kernel and a disk of its own, in which packages are installed. */
import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { packageLike, ran, writeFormer } from './packages.ts';

export interface Machine {
  /** As test/vm/fetch-root knows it. */
  suite: string;
  kernel: string;
  deb: RegExp;
  rpm?: RegExp;
}

/** Parts of test/vm/package/inside that ran in one machine, one after the other, and what their steps have left. */
export class Life {
  readonly #machine: Machine;
  readonly #folder = mkdtempSync(join(tmpdir(), 'bouheki-package-'));

  constructor(machine: Machine) {
    this.#machine = machine;
    after(() => rmSync(this.#folder, { recursive: true }));
  }

  /** The version of the package that an upgrade brings. */
  get version(): string {
    return ran('dpkg-deb', '-f', join(this.#folder, 'next.deb'), 'Version').trim();
  }

  /** Boots the machine and has it live through the steps of a part. Then it is switched off; its disk stays. */
  boot(part: string): void {
    const { deb, kernel, rpm, suite } = this.#machine;
    const at = (name: string): string => join(this.#folder, name);
    ran('test/install', 'debootstrap', 'btrfs-progs');
    const root = ran('test/vm/fetch-root', suite).trim();
    if (!existsSync(at('next.deb'))) {
      copyFileSync(packageLike(deb), at('next.deb'));
      writeFormer(at('next.deb'), at('former.deb'));
      if (rpm) copyFileSync(packageLike(rpm), at('next.rpm'));
    }
    const machine = [
      '--kernel',
      kernel,
      '--root',
      root,
      '--out',
      this.#folder,
      '--keep',
      '--timeout',
      '2400',
    ];
    ran('test/vm/run', ...machine, '--', 'test/vm/package/inside', part);
  }

  read(file: string): string {
    return readFileSync(join(this.#folder, 'steps', file), 'utf8').trim();
  }

  status(name: string): string {
    return this.read(`${name}.status`);
  }

  lines(name: string): string[] {
    return this.read(`${name}.stdout`).split('\n');
  }

  /** What a step has printed that must have worked. */
  good(name: string): string {
    const [stdout, stderr] = ['stdout', 'stderr'].map((what) => this.read(`${name}.${what}`));
    assert.equal(this.status(name), '0', `${name}: ${stdout}${stderr}`);
    return stdout!;
  }
}
