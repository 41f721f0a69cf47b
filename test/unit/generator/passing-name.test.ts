/** A rule is not for a name that no later start has. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ruleSubject } from '../../../generator/subject/subject.ts';
import { ELSEWHERE, type Subject } from '../../../profiler/read/observation.ts';

const PROGRAM: Subject = {
  command: 'curl',
  exe: '/usr/bin/curl',
  uid: 1000,
  gid: 1000,
  inContainer: false,
};
const PASSING = [
  'run-r1d2c3b4a5f6e7d8c9b0a1f2e3d4c5b6a.scope',
  'run-u42.service',
  'run-p4711-i4712.scope',
  'session-7.scope',
  'session-c2.scope',
  'sshd@3-10.0.0.1:22-10.0.0.2:50112.service',
  'backup@12-4711-1000.service',
  'app-gnome-firefox-4711.scope',
  'snap.firefox.firefox-0f4b2c1d-1111-2222-3333-444455556666.scope',
];
const LASTING = [
  'nginx.service',
  'getty@tty1.service',
  'backup@home.service',
  'run-backup.service',
  'app.service',
];

test('by unit, a unit that gets another name at each start is no subject: its program is', () => {
  for (const unit of PASSING)
    assert.deepEqual(
      ruleSubject({ ...PROGRAM, unit }, 'unit')!.from,
      { exe: ['/usr/bin/curl'], uid: [1000] },
      unit,
    );
  for (const unit of LASTING)
    assert.deepEqual(ruleSubject({ ...PROGRAM, unit }, 'unit')!.from, { unit: [unit], uid: [1000] });
});

test('a program in another root gets no rule for a unit that no later start has', () => {
  const elsewhere = { ...PROGRAM, exe: `${ELSEWHERE}/usr/bin/curl` };
  for (const unit of PASSING) assert.equal(ruleSubject({ ...elsewhere, unit }), undefined, unit);
  assert.deepEqual(ruleSubject({ ...elsewhere, unit: 'nginx.service' })!.from, {
    unit: ['nginx.service'],
    uid: [1000],
  });
});
