import { namedAccounts } from '../../policy/meaning/named-account.ts';
import { subjectBoxes } from '../../policy/meaning/mode.ts';
import type { AccountTable, Policy } from '../../policy/meaning/policy.ts';
import { AccountIds } from '../../profiler/identity/account-id.ts';

const NOBODY: AccountTable = { namesOf: () => [] };

/**
 * What the users and groups are called that a policy may name: by the record first, since a name may have had another
 * id when it was made, or on another host; where it says nothing of an id, by this host. Further names that this host
 * has for an id count too, where it means the same by it: to the kernel they are one. Asks the host only for a
 * policy with names.
 */
export async function accountsFor(policy: Policy, recorded: AccountTable = NOBODY): Promise<AccountTable> {
  const named = namedAccounts(subjectBoxes(policy));
  if (named.length === 0) return recorded;
  using host = new AccountIds(named);
  await host.ready();
  return joinAccounts(recorded, host);
}

/** The names of the record, with those of the host where they are of the same account. */
function joinAccounts(recorded: AccountTable, host: AccountTable): AccountTable {
  return {
    namesOf: (kind, id) => {
      const known = recorded.namesOf(kind, id);
      const here = host.namesOf(kind, id);
      if (known.length === 0) return here;
      return here.some((name) => known.includes(name)) ? [...new Set([...known, ...here])] : known;
    },
  };
}
