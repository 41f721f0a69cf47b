/** The same as name-verdict.test.ts and name-trust.test.ts, on the backend of one cgroup. */
import { cgroupRoot } from '../../host/cgroup-root.ts';

process.env['BOUHEKI_CGROUP'] ??= cgroupRoot();
await import('./name-verdict.test.ts');
await import('./name-trust.test.ts');
