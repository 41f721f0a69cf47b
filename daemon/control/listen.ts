import { BouhekiError } from '../../error/error.ts';
import type { ControlRequest } from './control-request.ts';
import { ControlServer } from './control-server.ts';
import type { Guarding } from './guarding.ts';
import type { PolicySwitch } from './policy-switch.ts';

/** Who is asked, and who may ask. */
interface Asked {
  policies: PolicySwitch;
  /** What counts another policy beside that in force; absent: nothing does. */
  shadow?: { apply(file: string): Promise<string> } | undefined;
  guarding: Guarding;
  say(text: string): void;
}

const NO_SHADOW = {
  apply: (): never => {
    throw new BouhekiError('usage', 'no policy is counted beside the one in force', {
      remedy: 'start `bouheki enforce` with --shadow',
    });
  },
};

/**
 * Listens beside a record to what commands ask of who enforces. Where that is not possible enforcement goes on without
 * them, unless they are `needed`: then it throws BouhekiError.
 */
export async function listenForControl(
  db: string,
  needed: boolean,
  asked: Asked,
): Promise<ControlServer | undefined> {
  const { guarding, say } = asked;
  try {
    return await ControlServer.listen(db, async (request) => {
      guarding.admit(request);
      return await carryOut(request, asked);
    });
  } catch (error) {
    const why = `${db}.control cannot be made (${(error as Error).message}): confirm, rollback and apply do not reach this process`;
    if (needed)
      throw new BouhekiError('store', why, {
        remedy: 'mend that, or leave --confirm-within out',
        cause: error,
      });
    say(`Warning: ${why}.\n`);
    return undefined;
  }
}

async function carryOut(
  request: ControlRequest,
  { policies, shadow }: Pick<Asked, 'policies' | 'shadow'>,
): Promise<string> {
  if (request.ask === 'shadow') return await (shadow ?? NO_SHADOW).apply(request.file);
  if (request.ask === 'confirm') return await policies.confirm();
  if (request.ask === 'rollback') return await policies.rollBack();
  if (request.ask === 'pause') return await policies.pause(request);
  if (request.ask === 'resume') return await policies.resume();
  if (request.ask === 'rearm') return await policies.rearm();
  return await policies.apply(request.file, request.within);
}
