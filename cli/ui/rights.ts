import type { Servant } from './door-message.ts';

const NOBODY = 65_534;

/** Whose rights are enough to answer a browser: undefined where they are our own. */
export function servantFor(environment: NodeJS.ProcessEnv): Servant | undefined {
  if (process.geteuid!() !== 0) return undefined;
  const { SUDO_GID, SUDO_UID, SUDO_USER } = environment;
  const [uid, gid] = [SUDO_UID, SUDO_GID].map((id) =>
    /^[1-9]\d{0,9}$/.test(id ?? '') ? Number(id) : undefined,
  );
  if (uid === undefined || gid === undefined) return { uid: NOBODY, gid: NOBODY, name: 'nobody' };
  return { uid, gid, name: SUDO_USER ?? `uid ${uid}` };
}

/** Gives up all rights but those of a user, for good. Throws what the system says. */
export function becomeServant({ gid, uid }: Servant): void {
  process.setgroups!([]);
  process.setgid!(gid);
  process.setuid!(uid);
  try {
    process.setuid!(0);
  } catch {
    return;
  }
  throw new Error(`the rights of root are still there as uid ${uid}`);
}
