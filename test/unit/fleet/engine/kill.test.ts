import { test } from 'node:test';
import { killAmongMerges } from '../fixture/kill-server.ts';
import { postgresMissing } from '../fixture/postgres.ts';

test(
  'a server killed among merges loses nothing and doubles nothing',
  { skip: postgresMissing },
  async () => {
    await killAmongMerges(4);
  },
);
