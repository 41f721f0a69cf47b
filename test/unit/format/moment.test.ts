import assert from 'node:assert/strict';
import test from 'node:test';
import { formatExactMoment, formatMoment, formatTime, parseMoment } from '../../../format/moment.ts';

const now = Date.parse('2026-11-21T12:00:00Z') * 1000;

test('a duration is a time before now, with or without "ago"', () => {
  assert.equal(parseMoment('24h', now), Date.parse('2026-11-20T12:00:00Z') * 1000);
  assert.equal(parseMoment('1h30m ago', now), Date.parse('2026-11-21T10:30:00Z') * 1000);
});

test('an ISO time without a zone is UTC', () => {
  const expected = Date.parse('2026-11-20T09:30:00Z') * 1000;
  assert.equal(parseMoment('2026-11-20T09:30:00Z', now), expected);
  assert.equal(parseMoment('2026-11-20T09:30', now), expected);
  assert.equal(parseMoment('2026-11-20 09:30:00', now), expected);
  assert.equal(parseMoment('2026-11-20T10:30:00+01:00', now), expected);
  assert.equal(parseMoment('2026-11-20', now), Date.parse('2026-11-20T00:00:00Z') * 1000);
});

test('anything else is no time', () => {
  const words = ['', 'yesterday', '1732180000', '2026-13-01', '20 Nov 2026', '24', '2026-11-20Z09:30'];
  // A day and zones that there are not would be read as others.
  const nowhere = [
    '2026-02-30',
    '2026-11-20T09:30+99:99',
    '2026-11-20T09:30-14:01',
    '2026-11-20T09:30+05:60',
  ];
  for (const text of [...words, ...nowhere]) {
    assert.equal(parseMoment(text, now), undefined, text);
  }
});

test('a moment is written to the second, or to the millisecond for programs, and never rounded up', () => {
  const moment = Date.parse('2026-11-21T09:30:00.999Z') * 1000 + 999.5;
  assert.equal(formatMoment(moment), '2026-11-21T09:30:00Z');
  assert.equal(formatExactMoment(moment), '2026-11-21T09:30:00.999Z');
  assert.equal(formatTime(moment), '2026-11-21 09:30:00Z');
});
