import type { DiffLine } from '../../../generator/review/text-diff.ts';
import { formatCount, formatNumber } from '../../../format/number.ts';
import { printDocument } from './document.ts';
import { html, Markup, name } from './markup.ts';
import { REVIEW_SCRIPT } from './review-script.ts';
import { tableOf } from './table.ts';

/** Lines of a difference, and earlier decisions that are listed. */
const MOST_LINES = 1000;
const MOST_LISTED = 200;

/** What a review asks, and what an answer would change. */
export interface ReviewPage {
  file: string;
  /** Why an answer was not taken. */
  message?: string | undefined;
  /** What was done last. */
  done?: string | undefined;
  /** Stands for the state that the page shows: what is asked of another is not done. */
  state: string;
  ask: AskedDestination | AskedAgain | NothingAsked;
}

/** About destinations of a rule. */
export interface AskedDestination {
  kind: 'destination';
  progress: string;
  /** What is known, each with what it is. */
  facts: readonly (readonly [what: string, value: string])[];
  /** A row for each destination: its name, events, hours, first, last and who. */
  evidence: readonly (readonly string[])[];
  single: boolean;
  /** Whether no rule allows them yet, as too few hosts of a fleet showed them. */
  withheld: boolean;
  /** The next wider prefix; empty where there is none. */
  wider: string;
  preview: Preview | undefined;
}

/** What an answer would change. */
export interface Preview {
  answer: string;
  cidr: string;
  /** What its button says. */
  title: string;
  difference: readonly DiffLine[];
  /** Stands for the text that is shown: no other is written. */
  seen: string;
}

/** About earlier decisions that allow more than was recorded. */
interface AskedAgain {
  kind: 'again';
  widening: readonly { rule: string; destination: string; cidr: string }[];
}

interface NothingAsked {
  kind: 'nothing';
  /** Left because they were skipped. */
  skipped: number;
  /** Marks that no question is about, and where they are. */
  byHand: readonly string[];
}

const ANSWERS = [
  ['allow', 'a', 'Keep it as it is, and remove the mark'],
  ['deny', 'd', 'Take it out and deny it: no later rule can allow it'],
  ['ignore', 'i', 'Take it out; generate --base does not offer it again'],
  ['narrow', 'n', 'Allow only the addresses that were seen'],
] as const;

const WITHHELD_ANSWERS = [
  ['allow', 'a', 'Allow it on all hosts'],
  ['where-seen', 'h', 'Allow it on the hosts that showed it alone'],
  ['deny', 'd', 'Deny it: no later rule can allow it'],
  ['ignore', 'i', 'Withhold it for good; it is not asked again'],
] as const;

function widening({ preview, wider }: AskedDestination): Markup {
  return html`<form class="answers" action="review" method="get" aria-label="Widen">
    <label
      >Widen to
      <input
        name="cidr"
        value="${preview?.answer === 'widen' ? preview.cidr : wider}"
        autocomplete="off"
        spellcheck="false"
        placeholder="192.0.2.0/24"
        required
    /></label>
    <button
      name="answer"
      value="widen"
      ${preview?.answer === 'widen' && new Markup('aria-current="true"')}
      title="Allow a larger block of addresses"
      aria-keyshortcuts="w"
      data-key="w"
    >
      Widen <kbd>w</kbd>
    </button>
  </form>`;
}

/** The answers to a question. */
function answersTo({ single, withheld }: AskedDestination) {
  return withheld ? WITHHELD_ANSWERS : ANSWERS.filter(([answer]) => single || answer !== 'narrow');
}

/** The page of a review, for a server that gives it `contentPolicy(REVIEW_SCRIPT)`. It works with scripts off. */
export function printReviewPage(page: ReviewPage): string {
  const { ask, done, file, message, state } = page;
  const body = html`<header>
      <h1>Review of ${name(file)}</h1>
      <p class="quiet">
        ${ask.kind === 'destination' && `${ask.progress}. `}<a href="./">What this host connects to</a>
      </p>
    </header>
    <main class="review">
      ${message !== undefined && html`<p class="message" role="alert">${message}</p>`}
      ${done !== undefined && html`<p class="done" role="status">${done}</p>`}
      ${ask.kind === 'destination' ? destination(ask, state) : ask.kind === 'again' ? again(ask, state) : nothing(ask, state)}
    </main>
    <footer>
      <label hidden><input id="keys" type="checkbox" checked /> Keys of one letter answer.</label>
      Keys are those of <code>bouheki review</code>. Answers are kept in ${file}.decisions. Times are UTC.
    </footer>`;
  return printDocument({ title: `Review of ${file}`, body, script: REVIEW_SCRIPT, inFile: false });
}

function destination(ask: AskedDestination, state: string): Markup {
  const { evidence, facts, preview, single } = ask;
  return html`<section aria-labelledby="asked">
    <h2 id="asked">May it go on?</h2>
    <dl class="known">
      ${facts.map(
        ([what, value]) =>
          html`<dt>${what}</dt>
            <dd>${value}</dd>`,
      )}
    </dl>
    <form class="answers" action="review" method="get" aria-label="Answers">
      ${answersTo(ask).map(
        ([answer, key, does]) =>
          html`<button
            name="answer"
            value="${answer}"
            ${preview?.answer === answer && new Markup('aria-current="true"')}
            title="${does}"
            aria-keyshortcuts="${key}"
            data-key="${key}"
          >
            ${capital(answer)} <kbd>${key}</kbd>
          </button>`,
      )}
    </form>
    ${!ask.withheld && widening(ask)}
    <div class="answers">
      ${!single && action({ what: 'each', key: 'e', label: 'Each by itself', state })}
      ${action({ what: 'skip', key: 's', label: 'Skip', state })} ${undo(state)}
    </div>
    ${preview && previewSection(preview, state)} ${evidenceTable(evidence)}
  </section>`;
}

function evidenceTable(evidence: AskedDestination['evidence']): Markup {
  return html`<h3>Evidence</h3>
    ${tableOf({
      label: 'Table of destinations',
      caption: formatCount(evidence.length, 'destination'),
      columns: ['Destination', { number: 'Events' }, { number: 'Hours' }, 'First', 'Last', 'Who'],
      rows: evidence.slice(0, MOST_LISTED).map(
        ([where, count, hours, first, last, who]) =>
          html`<tr>
            <td class="name">${name(where!)}</td>
            <td class="number">${count}</td>
            <td class="number">${hours}</td>
            <td class="time">${first}</td>
            <td class="time">${last}</td>
            <td class="name">${name(who!)}</td>
          </tr>`,
      ),
    })}`;
}

function previewSection({ answer, cidr, difference, seen, title }: Preview, state: string): Markup {
  return html`<section class="preview" aria-labelledby="preview">
    <h3 id="preview">${title}: what it changes in the policy</h3>
    ${
      difference.length === 0
        ? html`<p>Nothing in its text. The decision is kept.</p>`
        : html`<pre class="diff" tabindex="0" aria-label="Difference of the policy">
${difference.slice(0, MOST_LINES).map(diffLine)}</pre>`
    }
    ${difference.length > MOST_LINES && html`<p>${formatNumber(difference.length - MOST_LINES)} more lines.</p>`}
    <form action="review" method="post" class="answers">
      ${hidden({ do: 'take', answer, cidr, seen, state })}
      <button class="take" data-key="Enter" autofocus>${title} <kbd>Enter</kbd></button>
      <a href="review" data-key="Escape">Back <kbd>Esc</kbd></a>
    </form>
  </section>`;
}

const SIGNS = { same: ' ', gone: '-', come: '+' } as const;

function diffLine(line: DiffLine): Markup {
  if (line.kind === 'skipped') return html`<span class="skipped">… ${formatCount(line.count, 'line')}</span>`;
  return html`<span class="${line.kind}">${SIGNS[line.kind]} ${line.text}</span>`;
}

function again({ widening }: AskedAgain, state: string): Markup {
  return html`<section aria-labelledby="asked">
    <h2 id="asked">Carry out again?</h2>
    <p>
      ${formatCount(widening.length, 'earlier decision')} to allow more than was recorded. Without a yes, what
      they are about is asked anew.
    </p>
    ${tableOf({
      label: 'Table of decisions',
      caption: formatCount(widening.length, 'decision'),
      columns: ['Rule', 'Destination', 'Widened to'],
      rows: widening.map(
        ({ cidr, destination, rule }) =>
          html`<tr>
            <td class="name">${name(rule)}</td>
            <td class="name">${name(destination)}</td>
            <td class="name">${cidr}</td>
          </tr>`,
      ),
    })}
    <div class="answers">
      ${action({ what: 'again', key: 'y', label: 'Yes, all of them', state })}
      ${action({ what: 'anew', key: 'n', label: 'No, ask anew', state })}
    </div>
  </section>`;
}

function nothing({ byHand, skipped }: NothingAsked, state: string): Markup {
  return html`<section aria-labelledby="asked">
    <h2 id="asked">
      ${skipped > 0 ? `${formatCount(skipped, 'destination')} left, which you skipped` : 'Nothing is left to review'}
    </h2>
    ${
      byHand.length > 0 &&
      html`<p>
          Marks that review cannot settle, since it asks about rules alone. Decide on each, and remove it by
          hand:
        </p>
        <ul>
          ${byHand.slice(0, MOST_LISTED).map((mark) => html`<li>${name(mark)}</li>`)}
        </ul>`
    }
    <div class="answers">
      ${skipped > 0 && action({ what: 'skipped', key: 's', label: 'Ask about them', state })} ${undo(state)}
    </div>
  </section>`;
}

function undo(state: string): Markup {
  return action({ what: 'undo', key: 'u', label: 'Undo the last answer', state });
}

function action(of: { what: string; key: string; label: string; state: string }): Markup {
  const { key, label, state, what } = of;
  return html`<form action="review" method="post">
    ${hidden({ do: what, state })}
    <button aria-keyshortcuts="${key}" data-key="${key}">${label} <kbd>${key}</kbd></button>
  </form>`;
}

function hidden(fields: Readonly<Record<string, string>>): Markup[] {
  return Object.entries(fields).map(
    ([field, value]) => html`<input type="hidden" name="${field}" value="${value}" />`,
  );
}

function capital(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}`;
}
