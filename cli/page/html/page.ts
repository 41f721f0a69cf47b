import { formatMoment, formatTime } from '../../../format/moment.ts';
import { formatCount, formatNumber, formatPercent } from '../../../format/number.ts';
import { describeReadiness } from '../../../generator/header.ts';
import { isEventLoss } from '../../../profiler/event/dimension.ts';
import type { PageData, PageFlow, Timeline, Verdict } from './page-data.ts';
import { curveChart, timelineChart } from './chart.ts';
import { printDocument } from './document.ts';
import { LIVE_SCRIPT } from './live-script.ts';
import { html, Markup, name } from './markup.ts';
import { findingsSection, policySection } from './policy-section.ts';
import { sankey } from './sankey.ts';
import { SCRIPT } from './script.ts';
import { tableOf } from './table.ts';

/** Rows of a table: a page with a hundred thousand would be read by nobody. */
const MOST_FLOWS = 1000;
const MOST_SUBJECTS = 200;

const WORDS: Readonly<Record<Verdict, string>> = {
  allow: 'allowed',
  deny: 'denied',
  noted: 'would be denied',
};

/** What a page that is served has beyond one in a file. */
export interface Served {
  /** What happens now. */
  live: Markup;
  /** Decisions can be made beside it, at `review`. */
  review: boolean;
}

/** The page: one file, which asks for nothing else and can be read with scripts off. */
export function printPage(data: PageData): string {
  return printDocument({ ...pageOf(data, undefined), script: SCRIPT, inFile: true });
}

/** The page with what happens now, for a server that gives it `contentPolicy(SERVED_SCRIPT)`. */
export function printServedPage(data: PageData, served: Served): string {
  return printDocument({ ...pageOf(data, served), script: SERVED_SCRIPT, inFile: false });
}

export const SERVED_SCRIPT = SCRIPT + LIVE_SCRIPT;

function pageOf(data: PageData, served: Served | undefined): { title: string; body: Markup } {
  const host = [...new Set(data.recordings.map((recording) => recording.host))].join(', ');
  const sections = [
    flowSection(data),
    readinessSection(data),
    ...(data.policy === undefined ? [] : [policySection(data.policy), findingsSection(data.policy)]),
    recordSection(data),
  ];
  const body = html`<header>
      <h1>What ${host === '' ? 'this host' : name(host)} connects to</h1>
      <p class="quiet">${windowText(data)} As of ${formatTime(data.madeAt)}.</p>
    </header>
    <nav aria-label="Parts of this page">
      <ul>
        ${served !== undefined && html`<li><a href="#now">Now</a></li>`}
        <li><a href="#short">In short</a></li>
        <li><a href="#flows">Connections</a></li>
        <li><a href="#readiness">Readiness</a></li>
        ${
          data.policy !== undefined &&
          html`<li><a href="#policy">Policy</a></li>
            <li><a href="#drift">Drift</a></li>`
        }
        <li><a href="#record">Record</a></li>
        ${served?.review === true && html`<li><a href="review">Review</a></li>`}
      </ul>
    </nav>
    <main>${served?.live} ${shortSection(data, served)} ${sections}</main>
    <footer>Made by bouheki ${data.version} from ${data.db}. Times are UTC.</footer>`;
  return { title: `${host === '' ? 'Nothing recorded' : host}: what it connects to`, body };
}

function windowText({ extent }: PageData): string {
  if (extent.first === undefined || extent.last === undefined) return 'Nothing was recorded.';
  return `Recorded from ${formatTime(extent.first)} to ${formatTime(extent.last)}.`;
}

function shortSection(data: PageData, served: Served | undefined): Markup {
  const { flows, policy, readiness } = data;
  const sum = (verdicts: readonly Verdict[]): number =>
    flows.reduce((total, { count, verdict }) => total + (verdicts.includes(verdict) ? count : 0), 0);
  const lost = lostOf(data);
  const facts: [what: string, value: string, bad?: boolean][] = [
    ['connections', formatNumber(sum(['allow', 'deny', 'noted']))],
    ['subjects', formatNumber(new Set(flows.map(({ subject }) => subject)).size)],
    ['destinations', formatNumber(new Set(flows.map(({ group }) => group)).size)],
    ['denied', formatNumber(sum(['deny']))],
    ['would be denied', formatNumber(sum(['noted']))],
    ['lost', formatNumber(lost), lost > 0],
    [
      'stable subjects',
      `${readiness.subjects.filter(({ state }) => state === 'stable').length} of ${readiness.subjects.length}`,
    ],
  ];
  if (policy !== undefined) facts.push(['findings', formatNumber(policy.findings.length)]);
  const todo = todoOf(data, lost, served?.review === true);
  return html`<section id="short" aria-labelledby="short-title">
    <h2 id="short-title">In short</h2>
    <dl class="facts">
      ${facts.map(([what, value, bad]) => html`<div${bad === true && new Markup(' class="bad"')}><dt>${what}</dt><dd>${value}</dd></div>`)}
    </dl>
    <h3>What to do</h3>
    <ul class="todo">
      ${todo.map((item) => html`<li>${item}</li>`)}
    </ul>
  </section>`;
}

/** What the reader can do next, the more urgent first. */
function todoOf({ flows, policy, readiness }: PageData, lost: number, canReview: boolean): Markup[] {
  const items: Markup[] = [];
  if (flows.length === 0) items.push(html`Record something: <code>sudo bouheki learn --duration 24h</code>`);
  if (lost > 0) {
    items.push(
      html`${formatCount(lost, 'event')} were lost: a policy from this record may lack something. See
        <a href="#record">the record</a>.`,
    );
  }
  const learning = readiness.subjects.filter(({ state }) => state !== 'stable');
  if (learning.length > 0) {
    items.push(
      html`${formatCount(learning.length, 'subject')} still do new things: record on before you block.
        <code>sudo bouheki learn --until stable</code>`,
    );
  }
  if (policy === undefined) {
    if (flows.length > 0)
      items.push(
        html`Write a policy, and make this report with it: <code>bouheki generate &gt; policy.yaml</code>`,
      );
    return items;
  }
  const marks = policy.rules.reduce((sum, rule) => sum + rule.marks.length, 0);
  if (marks > 0) {
    items.push(
      html`${formatCount(marks, 'destination')} of the policy wait for a decision:
      ${canReview ? html`<a href="review">review them</a>.` : html`<code>bouheki review ${policy.file}</code>`}`,
    );
  }
  const bad = policy.findings.filter(({ severity }) => severity === 'high').length;
  if (policy.findings.length > 0) {
    items.push(
      html`Look at
        <a href="#drift">${formatCount(policy.findings.length, 'finding')}</a
        >${bad > 0 && `, ${formatNumber(bad)} of them severe`}, and accept what is right:
        <code>bouheki drift ${policy.file} --suggest</code>`,
    );
  }
  if (items.length === 0) {
    items.push(
      policy.mode === 'monitor'
        ? html`Nothing stands against blocking:
            <code>sudo bouheki enforce ${policy.file} --mode block --confirm-within 60s</code>`
        : html`Nothing. What was recorded is what the policy allows.`,
    );
  }
  return items;
}

function flowSection({ flows, timeline }: PageData): Markup {
  const shown = mostOfEach(flows);
  const rest = flows.length - shown.length;
  const more = connectionsIn(flows) - connectionsIn(shown);
  return html`<section id="flows" aria-labelledby="flows-title">
    <h2 id="flows-title">Who talks to what</h2>
    <p>
      The width of a way grows with the square root of its connections. Destinations are DNS names where one
      was known, else what the policy names, else addresses.
    </p>
    <ul class="key">
      <li>allowed</li>
      <li class="deny">denied</li>
      <li class="noted">would be denied in block mode</li>
    </ul>
    ${sankey(flows)}
    ${
      timeline &&
      html`<h3>When</h3>
        ${timelineChart(timeline)}`
    }
    <h3>Each connection</h3>
    <form class="filter" hidden>
      <label class="block"
        >Only rows with this text<input type="search" autocomplete="off" spellcheck="false"
      /></label>
      ${timeline && timeRange(timeline)}
      ${(Object.keys(WORDS) as Verdict[]).map((verdict) => html`<label><input type="checkbox" value="${verdict}" checked /> ${WORDS[verdict]}</label>`)}
      <output aria-live="polite"></output>
    </form>
    ${tableOf({ label: 'Table of connections', caption: rest === 0 ? formatCount(flows.length, 'row') : `${formatCount(shown.length, 'row')}, of each subject those of most connections. ${formatNumber(rest)} more rows have ${formatCount(more, 'connection')}: bouheki export has all`, columns: ['Subject', 'Destination', 'Verdict', { number: 'Connections' }, 'First', 'Last'], rows: shown.map((flow) => flowRow(flow, timeline)) })}
  </section>`;
}

/** At most so many rows: of each subject those of most connections, so that none is left out for a busy one. */
function mostOfEach(flows: readonly PageFlow[]): PageFlow[] {
  if (flows.length <= MOST_FLOWS) return [...flows];
  const ranks = new Map<string, number>();
  const ranked = flows.map((flow) => {
    const rank = ranks.get(flow.subject) ?? 0;
    ranks.set(flow.subject, rank + 1);
    return { flow, rank };
  });
  return ranked
    .sort((a, b) => a.rank - b.rank || b.flow.count - a.flow.count)
    .slice(0, MOST_FLOWS)
    .map(({ flow }) => flow)
    .sort((a, b) => b.count - a.count);
}

function connectionsIn(flows: readonly PageFlow[]): number {
  return flows.reduce((sum, { count }) => sum + count, 0);
}

/** The first and the last part of the time that rows are shown of. */
function timeRange({ counts }: Timeline): Markup {
  const last = counts.allow.length - 1;
  const end = (label: string, value: number): Markup =>
    html`<label class="block"
      >${label}<input type="range" min="0" max="${last}" value="${value}" /><span class="quiet"></span
    ></label>`;
  return html`${end('From', 0)} ${end('To', last)}`;
}

function flowRow(flow: PageFlow, timeline: Timeline | undefined): Markup {
  const { count, destination, first, group, last, subject, verdict } = flow;
  const part = (time: number): number =>
    timeline === undefined ? 0 : Math.floor((time - timeline.start) / timeline.width);
  const known = !destination.includes(group) && html` <span class="quiet">${name(group)}</span>`;
  return html`<tr data-verdict="${verdict}" data-first="${part(first)}" data-last="${part(last)}">
    <td class="name">${name(subject)}</td>
    <td class="name">${name(destination)}${known}</td>
    <td class="${verdict}">${WORDS[verdict]}</td>
    <td class="number">${formatNumber(count)}</td>
    <td class="time">${formatTime(first)}</td>
    <td class="time">${formatTime(last)}</td>
  </tr> `;
}

function readinessSection({ readiness }: PageData): Markup {
  const { discovery, subjects } = readiness;
  const shown = subjects.slice(0, MOST_SUBJECTS);
  const rows = shown.map(
    ({ atMost, discovery: places, events, state, subject }) =>
      html`<tr>
        <td class="name">${name(subject)}</td>
        <td>${state}</td>
        <td class="number">${formatPercent(atMost)}</td>
        <td class="number">${formatNumber(places.at(-1) ?? 0)}</td>
        <td class="number">${formatNumber(events)}</td>
        <td>${curveChart(places, 'Destinations known after each tenth')}</td>
      </tr> `,
  );
  return html`<section id="readiness" aria-labelledby="readiness-title">
    <h2 id="readiness-title">How much is known</h2>
    ${
      subjects.length === 0
        ? html`<p>No subject has done anything yet that a policy would allow.</p>`
        : html`<p>
              ${sentence(describeReadiness(subjects))} A curve counts the destinations known after each tenth
              of the events: it flattens when little is left to learn. Unseen is the share of the next events
              that may be new, estimated with caution.
            </p>
            ${curveChart(discovery, 'All subjects')}
            ${tableOf({ label: 'Table of subjects', caption: subjects.length > shown.length ? `The ${shown.length} least known of ${formatCount(subjects.length, 'subject')}` : formatCount(subjects.length, 'subject'), columns: ['Subject', 'State', { number: 'Unseen' }, { number: 'Destinations' }, { number: 'Events' }, 'Discovery'], rows: rows })}`
    }
  </section>`;
}

function recordSection(data: PageData): Markup {
  const { gaps, losses, recordings } = data;
  const rows = recordings.map(
    ({ backend, command, endedAt, events, host, id, startedAt, state }) =>
      html`<tr>
        <td class="number">${id}</td>
        <td class="name">${name(host)}</td>
        <td>${command} (${backend})</td>
        <td>${state}</td>
        <td class="time">${formatTime(startedAt)}</td>
        <td class="time">${formatTime(endedAt)}</td>
        <td class="number">${formatNumber(events)}</td>
        <td class="number">${formatNumber(sumLost(losses.filter((loss) => loss.recording === id)))}</td>
      </tr> `,
  );
  const kinds = [...new Set(losses.map(({ kind }) => kind))].map(
    (kind) =>
      `${kind} ${formatNumber(losses.reduce((sum, loss) => sum + (loss.kind === kind ? loss.count : 0), 0))}`,
  );
  return html`<section id="record" aria-labelledby="record-title">
    <h2 id="record-title">The record</h2>
    <p>
      ${kinds.length === 0 ? 'Nothing is known to be missing from it.' : `Missing from it, by kind: ${kinds.join(', ')}.`}${gaps.length > 0 && ` Between recordings there are ${formatCount(gaps.length, 'gap')} in which nothing was seen.`}
    </p>
    ${tableOf({ label: 'Table of recordings', caption: formatCount(recordings.length, 'recording'), columns: [{ number: 'Number' }, 'Host', 'By', 'State', 'Begin', 'End', { number: 'Events' }, { number: 'Lost' }], rows: rows })}
    <p class="quiet">Made at ${formatMoment(data.madeAt)}.</p>
  </section>`;
}

function lostOf({ losses }: PageData): number {
  return sumLost(losses);
}

function sumLost(losses: PageData['losses']): number {
  return losses.filter(isEventLoss).reduce((sum, { count }) => sum + count, 0);
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}.`;
}
