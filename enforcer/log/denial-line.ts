import { visible } from '../../error/visible.ts';
import { formatNumber } from '../../format/number.ts';
import { Repeats } from '../../output/repeat.ts';
import { paint } from '../../output/terminal.ts';
import type { VerdictEntry } from './entry.ts';

/** Boxes that may be looked at in a second to name nearest rules: a large policy must not keep us from the rings. */
const LOOKS = 20_000;

/**
 * Denials for people who watch a terminal, a line each: `DENY curl (root) -> 10.0.9.9:8080/tcp  near "web"`. A line
 * that has been said is not said again; how many more there were is, every ten seconds.
 */
export class DenialLines {
  readonly #colour: boolean;
  readonly #now: () => number;
  readonly #passed: () => number;
  readonly #repeats: Repeats;
  #looks = LOOKS;
  #looksAt: number;

  /** `now` is the clock on the wall, `passed` one that nobody sets, both in milliseconds. */
  constructor(colour: boolean, now: () => number, passed: () => number) {
    this.#colour = colour;
    this.#now = now;
    this.#passed = passed;
    this.#repeats = new Repeats(passed);
    this.#looksAt = passed();
  }

  /** The line of a denial; empty where it has been said already. */
  of(entry: VerdictEntry): string {
    const text = textOf(entry);
    const key = `${entry.action} ${text}`;
    const count = entry.count ?? 1;
    if (this.#repeats.holds(key, count)) return '';
    const line = `${this.#verdict(entry)} ${text}${this.#ruleOf(entry)}`;
    this.#repeats.printed(key, line);
    return this.#print(count === 1 ? line : `${line}  (${formatNumber(count)} times)`);
  }

  /** Lines about what was repeated, when it is time, or `now` because there is no later. */
  repeats(atOnce = false): string {
    const repeated = this.#repeats.due(atOnce);
    return repeated.map(({ line, more }) => this.#print(`${line}  (${formatNumber(more)} more)`)).join('');
  }

  #verdict({ action }: VerdictEntry): string {
    return action === 'BLOCKED'
      ? paint(this.#colour, 'red', 'DENY')
      : paint(this.#colour, 'yellow', 'WOULD DENY');
  }

  /** The rule that decided; else the one that comes nearest, where looking for it costs little. */
  #ruleOf({ nearest, rule }: VerdictEntry): string {
    if (rule !== undefined) return `  by "${visible(rule)}"`;
    if (nearest === undefined) return '';
    const passed = this.#passed();
    if (passed - this.#looksAt >= 1000) {
      this.#looks = LOOKS;
      this.#looksAt = passed;
    }
    if (nearest.boxes > this.#looks) return '';
    this.#looks -= nearest.boxes;
    const name = nearest.find();
    return name === undefined ? '' : `  near "${visible(name)}"`;
  }

  #print(line: string): string {
    return `${clockTime(this.#now())} ${line}\n`;
  }
}

/** `curl (root) -> 10.0.9.9:8080/tcp`, `curl (root) -> api.example:443/tcp (10.0.9.9)` where a name is known, or who alone where no more is known. */
function textOf(entry: VerdictEntry): string {
  const { address, command, container, exe, name, port = 0, protocol, socket, uid, user } = entry;
  const program = command ?? exe;
  const users = user ?? `uid ${uid}`;
  const who = container === undefined ? users : `${users} in container ${container}`;
  const whole = program === undefined || program === '' ? who : `${program} (${who})`;
  if (socket !== undefined) return visible(`${whole} opens ${socket} socket`);
  if (address === undefined) return visible(whole);
  if (name !== undefined)
    return visible(`${whole} -> ${name}${port === 0 ? '' : `:${port}`}/${protocol} (${address})`);
  const host = address.includes(':') && port !== 0 ? `[${address}]` : address;
  return visible(`${whole} -> ${host}${port === 0 ? '' : `:${port}`}/${protocol}`);
}

/** `12:01:54`, by the clock of this host: it is read now. */
function clockTime(milliseconds: number): string {
  return new Date(milliseconds).toTimeString().slice(0, 8);
}
