import { html, type Markup } from './markup.ts';

/** A table that scrolls by itself where it is wider than the page. */
interface Table {
  /** What it is, for those who do not see it. */
  label: string;
  caption: string;
  /** Heads of columns; those of numbers are to the right. */
  columns: readonly (string | { number: string })[];
  rows: readonly Markup[];
}

export function tableOf({ caption, columns, label, rows }: Table): Markup {
  const heads = columns.map((column) =>
    typeof column === 'string'
      ? html`<th scope="col">${column}</th>`
      : html`<th scope="col" class="number">${column.number}</th>`,
  );
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${label}">
    <table>
      <caption>
        ${caption}
      </caption>
      <thead>
        <tr>
          ${heads}
        </tr>
      </thead>
      <tbody>
        ${rows}
      </tbody>
    </table>
  </div>`;
}
