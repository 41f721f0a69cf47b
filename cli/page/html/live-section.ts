import { html, type Markup } from './markup.ts';

/** Where what happens now is shown; the script of the page fills it. */
export function liveSection(db: string): Markup {
  const facts = [
    ['connections', 'connections'],
    ['new', 'new'],
    ['denied', 'denied'],
    ['noted', 'would be denied'],
    ['lost', 'lost by the recorder'],
    ['missed', 'not shown'],
  ] as const;
  return html`<section id="now" aria-labelledby="now-title">
    <h2 id="now-title">Now</h2>
    <p role="status"><span class="lamp"></span><span id="state">Waiting for ${db} ...</span></p>
    <noscript
      ><p>
        What happens now needs scripts. Load the page again, and it has all that was recorded until then.
      </p></noscript
    >
    <div id="live" hidden>
      <dl class="facts">
        ${facts.map(
          ([key, what]) =>
            html`<div data-fact="${key}">
              <dt>${what}</dt>
              <dd>0</dd>
            </div>`,
        )}
      </dl>
      <form class="filter live">
        <label class="block"
          >Only rows with this text<input type="search" autocomplete="off" spellcheck="false"
        /></label>
        <label><input type="checkbox" name="new" /> only new</label>
        <label><input type="checkbox" name="denied" /> only denied, or would be</label>
        <button type="button" aria-pressed="false">Pause</button>
        <output></output>
      </form>
      <div class="scroll rows" tabindex="0" role="region" aria-label="Table of what happens now">
        <table>
          <caption>
            The last 200, some from before this page was opened. A repeat counts in its row.
          </caption>
          <thead>
            <tr>
              <th scope="col">Time</th>
              <th scope="col"><span class="unseen">New</span></th>
              <th scope="col">Verdict</th>
              <th scope="col">Subject</th>
              <th scope="col">Destination</th>
              <th scope="col">Rule</th>
              <th scope="col" class="number">Times</th>
            </tr>
          </thead>
          <tbody></tbody>
        </table>
      </div>
    </div>
  </section>`;
}
