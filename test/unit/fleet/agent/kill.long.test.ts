import { test } from 'node:test';
import { killedAgent } from '../fixture/killed-agent.ts';

test('an agent that is killed at 100 random moments loses and doubles nothing', (t) => killedAgent(t, 100));
