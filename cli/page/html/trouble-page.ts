import { printDocument } from './document.ts';
import { html } from './markup.ts';

/** A page in place of one that there cannot be. */
export function printTroublePage(message: string, remedy: string | undefined): string {
  const body = html`<header><h1>There is no page now</h1></header>
    <main>
      <p class="message">${message}.</p>
      ${remedy !== undefined && html`<p>${remedy}</p>`}
      <p><a href="./">What this host connects to</a></p>
    </main>`;
  return printDocument({ title: 'No page', body, script: '', inFile: false });
}
