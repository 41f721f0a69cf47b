import { performance } from 'node:perf_hooks';
import { SystemError } from '../../bpf/libbpf.ts';
import { sendDatagram } from '../../bpf/peer.ts';

/** What systemd has set for a service of Type=notify: sd_notify(3), sd_watchdog_enabled(3). */
interface Environment {
  NOTIFY_SOCKET?: string | undefined;
  WATCHDOG_USEC?: string | undefined;
  WATCHDOG_PID?: string | undefined;
}

/**
 * Tells the service manager that a policy is in force or that recording has begun, and from then on that this process
 * still gets round: it is ended and started again where it does not for so long as the unit's WatchdogSec= says.
 */
export class ServiceNotice {
  readonly #socket: string | undefined;
  /** Half of the time in which a sign of life is due, milliseconds; none is asked for where it is absent. */
  readonly #every: number | undefined;
  #next = 0;
  #status = '';
  #ready = false;

  /** Takes what it reads away: processes that this one starts are not the service. */
  constructor(environment: Environment = process.env) {
    this.#socket = environment.NOTIFY_SOCKET || undefined;
    const { WATCHDOG_PID: pid, WATCHDOG_USEC: microseconds } = environment;
    const ours = pid === undefined || Number(pid) === process.pid;
    if (ours && Number(microseconds) > 0) this.#every = Number(microseconds) / 2000;
    delete environment.NOTIFY_SOCKET;
    delete environment.WATCHDOG_USEC;
    delete environment.WATCHDOG_PID;
  }

  /** What it was started for has begun. `status` is one line. */
  ready(status: string): void {
    this.#ready = true;
    this.#status = status;
    this.#send(`READY=1\nSTATUS=${status}`);
  }

  /** About once a second. */
  tick(status: string): void {
    const now = performance.now();
    if (!this.#ready) return;
    if (this.#every !== undefined && now >= this.#next) {
      this.#next = now + this.#every;
      this.#send('WATCHDOG=1');
    }
    if (status === this.#status) return;
    this.#status = status;
    this.#send(`STATUS=${status}`);
  }

  /** The end has begun, and may take a while. */
  stopping(): void {
    if (this.#ready) this.#send('STOPPING=1');
  }

  #send(text: string): void {
    if (this.#socket === undefined) return;
    try {
      sendDatagram(this.#socket, text);
    } catch (error) {
      // Nothing that enforces may end with the one who is told.
      if (!(error instanceof SystemError)) throw error;
    }
  }
}
