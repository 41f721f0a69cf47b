/** repeat.test.ts by the backend `cgroup` on the whole host. */
import { BACKEND } from './attachment.ts';

process.env[BACKEND] = 'cgroup';
await import('./repeat.test.ts');
