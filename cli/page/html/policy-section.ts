import { formatTime } from '../../../format/moment.ts';
import { formatCount, formatNumber } from '../../../format/number.ts';
import type { PageFinding, PagePolicy, PageRule } from './page-data.ts';
import { html, type Markup, name, shorten } from './markup.ts';
import { tableOf } from './table.ts';

/** Of a text that may be as long as it likes: characters of a rule, marks and evidence that are listed. */
const MOST_TEXT = 6000;
const MOST_MARKS = 10;
const MOST_FINDINGS = 500;
const MOST_RULES = 500;

/** The rules of the policy, each beside what was recorded of it. */
export function policySection({ file, mode, modes, rules }: PagePolicy): Markup {
  const shown = rules.slice(0, MOST_RULES);
  return html`<section id="policy" aria-labelledby="policy-title">
    <h2 id="policy-title">The policy, rule by rule</h2>
    <p>
      ${name(file)}
      ${mode === 'block' ? 'blocks what it does not allow' : 'is in monitor mode'}.${modes > 0 && ' Some subjects have another mode of their own.'}
      Beside each rule is what it decided of all that was recorded, as it reads
      now.${rules.length > shown.length && ` The first ${formatNumber(shown.length)} of ${formatCount(rules.length, 'rule')} are shown.`}
    </p>
    ${shown.map(ruleArticle)}
  </section>`;
}

function ruleArticle(rule: PageRule): Markup {
  const { action, events, first, last, marks, subjects, text } = rule;
  const evidence =
    events === 0 || first === undefined || last === undefined
      ? html`<p class="quiet">Nothing of what was recorded.</p>`
      : html`<p>
          ${formatCount(events, 'event')} of ${formatCount(subjects, 'subject')}, ${formatTime(first)} to
          ${formatTime(last)}
        </p>`;
  const listed = marks.slice(0, MOST_MARKS);
  return html`<article class="rule">
    <h3>${action === 'deny' && 'Deny: '}${name(rule.name)}</h3>
    <pre tabindex="0" aria-label="The text of the rule">${shorten(text, MOST_TEXT)}</pre>
    <div>
      ${evidence}
      <p>${reachText(rule)}</p>
      ${
        marks.length > 0 &&
        html`<p class="mark">${formatCount(marks.length, 'destination')} to review:</p>
          <ul>
            ${listed.map(({ destination, reasons }) => html`<li class="mark">${name(destination)}: ${reasons.join('; ')}</li>`)}${marks.length > listed.length && html`<li>and ${formatNumber(marks.length - listed.length)} more</li>`}
          </ul>`
      }
    </div>
  </article>`;
}

/** What a rule allows beyond what was seen. */
function reachText({ action, allowed, seen }: PageRule): string {
  if (action === 'deny') return `${formatCount(seen, 'address', 'addresses')} that it denies were seen.`;
  if (allowed === undefined)
    return `It names no addresses; ${formatCount(seen, 'address', 'addresses')} were seen.`;
  const beyond = allowed - BigInt(seen);
  const all = `It allows ${largeNumber(allowed)} ${allowed === 1n ? 'address' : 'addresses'}, ${formatNumber(seen)} of them seen`;
  return beyond <= 0n ? `${all}: nothing beyond.` : `${all}: ${largeNumber(beyond)} beyond.`;
}

/** Numbers of IPv6 addresses have up to 39 digits. */
function largeNumber(value: bigint): string {
  return value < 1_000_000_000n ? formatNumber(Number(value)) : `about 2^${value.toString(2).length - 1}`;
}

/** What drift found, with what would settle it. */
export function findingsSection({ file, findings }: PagePolicy): Markup {
  const shown = findings.slice(0, MOST_FINDINGS);
  return html`<section id="drift" aria-labelledby="drift-title">
    <h2 id="drift-title">Drift</h2>
    ${
      findings.length === 0
        ? html`<p>The record and the policy agree.</p>`
        : html`<p>
              Accept a finding by its id, and the change of the policy is written for you:
              <code>bouheki drift ${file} --suggest --accept ID</code>
            </p>
            ${tableOf({ label: 'Table of findings', caption: `${shown.length < findings.length ? `The ${formatNumber(shown.length)} worst of ${formatCount(findings.length, 'finding')}` : formatCount(findings.length, 'finding')}, the worst first`, columns: ['What', 'Subject', 'Destination', { number: 'Events' }, 'Evidence, and what would settle it', 'Id'], rows: shown.map(findingRow) })}`
    }
  </section>`;
}

function findingRow({
  count,
  destination,
  evidence,
  id,
  kind,
  severity,
  subject,
  suggestion,
}: PageFinding): Markup {
  return html`<tr>
    <td class="${severity}">${kind} (${severity})</td>
    <td class="name">${name(subject)}</td>
    <td class="name">${name(destination)}</td>
    <td class="number">${formatNumber(count)}</td>
    <td class="name">
      ${evidence.map((each) => html`<div>${shorten(each, 400)}</div>`)}<code
        >${shorten(suggestion, 400)}</code
      >
    </td>
    <td class="time"><code>${id}</code></td>
  </tr> `;
}
