import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timelineChart } from '../../../../cli/page/html/chart.ts';
import { html, name } from '../../../../cli/page/html/markup.ts';
import { sankey } from '../../../../cli/page/html/sankey.ts';
import type { PageFlow } from '../../../../cli/page/html/page-data.ts';

test('what others chose is text in a page, as content and as a value', () => {
  const hostile = `</style><script>alert("1")</script>&amp;'\`\u202egnp\u0000\u001b[2J`;
  const { text } = html`<p title="${hostile}">${hostile}</p>`;
  const escaped =
    '&#60;/style&#62;&#60;script&#62;alert(&#34;1&#34;)&#60;/script&#62;&#38;amp;&#39;&#96;\\u{202e}gnp\\u{0}\\u{1b}[2J';
  assert.equal(text, `<p title="${escaped}">${escaped}</p>`);
});

test('parts that are lists, numbers, markup or nothing come out as such', () => {
  const list = html`<ul>
    ${[1, 2].map((item) => html`<li>${item}</li>`)}${undefined}${false}
  </ul>`;
  assert.equal(list.text.replace(/\s/g, ''), '<ul><li>1</li><li>2</li></ul>');
});

test('a long name is cut between characters, with the whole of it in a tool tip', () => {
  const { text } = name('👩'.repeat(200));
  assert.equal(text, `<span title="${'👩'.repeat(200)}">${'👩'.repeat(119)}…</span>`);
  assert.equal(name('curl').text, 'curl');
});

function flow(change: Partial<PageFlow> = {}): PageFlow {
  const destination = change.group ?? '10.0.0.1';
  return {
    subject: 'curl',
    destination,
    group: destination,
    verdict: 'allow',
    count: 1,
    first: 0,
    last: 0,
    ...change,
  };
}

test('each picture has the 40 ways of most connections, and the rest as one', () => {
  const flows = Array.from({ length: 100 }, (_, at) =>
    flow({ group: `10.0.0.${at}`, subject: `p${at % 7}`, count: 100 - at }),
  );
  const { text } = sankey(flows);
  const pictures = text.split('</svg>').slice(0, -1);
  assert.deepEqual(
    pictures.map((picture) => picture.match(/<path /g)?.length),
    [41, 41],
  );
  assert.match(text, /the rest: 7 subjects → the rest: 60 destinations: 1,830 connections/);
  assert.ok(text.includes('p0 → 10.0.0.0: 100 connections') && !text.includes('10.0.0.41<'));
  assert.doesNotMatch(text, /NaN|Infinity|undefined/);
});

/** The lines that a subject's name takes in the narrow picture. */
function linesOf(subject: string): string[] {
  const narrow = sankey([flow({ subject })]).text.split('</svg>')[1]!;
  const [label] = /<text text-anchor="start"[^]*?<\/text/.exec(narrow)!;
  return [...label.matchAll(/<tspan[^>]*>([^<]*)</g)].map(([, line]) => line!);
}

test('in a narrow picture a name takes two lines, and is broken where its parts meet', () => {
  assert.deepEqual(linesOf('/usr/bin/curl (ada)'), ['/usr/bin/curl (ada)']);
  assert.deepEqual(linesOf('/usr/lib/postgresql/15/bin/postgres (postgres)'), [
    '/usr/lib/postgresql/15',
    '/bin/postgres (postgres)',
  ]);
  assert.deepEqual(linesOf('x'.repeat(30)), ['x'.repeat(24), 'x'.repeat(6)]);
  assert.deepEqual(linesOf('名'.repeat(30)), ['名'.repeat(12), `${'名'.repeat(11)}…`]);
  assert.deepEqual(linesOf('a\u202eb'), ['a\\u{202e}b']);
});

test('in the rest what was denied, and what would be, are ways of their own', () => {
  const busy = Array.from({ length: 40 }, (_, at) => flow({ group: `10.0.0.${at}`, count: 100 }));
  const { text } = sankey([
    ...busy,
    flow({ group: 'a.example', verdict: 'deny', count: 2 }),
    flow({ group: 'b.example', verdict: 'noted', count: 3 }),
    flow({ group: 'c.example' }),
  ]);
  const rest = 'the rest: 1 subject → the rest: 3 destinations: ';
  for (const [verdict, words] of [
    ['allow', '1 connection<'],
    ['deny', '2 connections, denied<'],
    ['noted', '3 connections, would be denied<'],
  ] as const) {
    assert.match(text, new RegExp(`<path class="way ${verdict}"[^>]*><title\\s*>${rest}${words}`));
  }
});

test('ways of one verdict to one name are one, and say when they were denied', () => {
  const { text } = sankey([
    flow({ group: 'example.com', destination: '10.0.0.1:443/tcp' }),
    flow({ group: 'example.com', destination: '10.0.0.2:443/tcp' }),
    flow({ group: 'example.com', verdict: 'deny', count: 1_000_000 }),
  ]);
  assert.match(text, /curl → example\.com: 2 connections</);
  assert.match(
    text,
    /<path class="way deny"[^>]*><title\s*>curl → example\.com: 1,000,000 connections, denied</,
  );
  assert.match(sankey([]).text, /Nothing was recorded/);
});

test('a bar stands for each part of the time, and few denials are seen beside many others', () => {
  const { text } = timelineChart({
    start: 0,
    width: 1_000_000,
    counts: { allow: [1_000_000, 0], deny: [1, 0], noted: [0, 0] },
  });
  assert.equal(text.match(/<rect\s+class="(?:allow|deny|noted)"/g)?.length, 2);
  assert.equal(text.match(/<rect\s+class="place"/g)?.length, 2, 'each part can be pointed at');
  assert.match(text, /class="deny"[^>]*height="1\.5"/);
  assert.match(text, /1970-01-01 00:00:00Z: 1000000 allowed, 1 denied, 0 would be denied/);
});
