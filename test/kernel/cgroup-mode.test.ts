import { BACKEND } from './attachment.ts';

process.env[BACKEND] = 'cgroup';
await import('./mode.test.ts');
