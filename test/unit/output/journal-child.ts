/** Writes one denied connection to standard output, as `enforce` does. */
import { VerdictLog } from '../../../enforcer/log/verdict-log.ts';

const log = new VerdictLog({ format: 'json', level: 'info', labels: {} }, (error) => {
  throw error;
});
log.write({ action: 'BLOCKED', address: '10.0.0.1', port: 443, uid: 0 });
await log.close(1000);
