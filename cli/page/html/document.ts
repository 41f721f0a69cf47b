import { createHash } from 'node:crypto';
import { html, Markup } from './markup.ts';
import { STYLE } from './style.ts';

/** A page of HTML with the one style sheet and one script, both of which are in it. */
export interface Document {
  title: string;
  body: Markup;
  script: string;
  /** It has its Content-Security-Policy in itself, since no server sends one along. */
  inFile: boolean;
}

export function printDocument({ body, inFile, script, title }: Document): string {
  const page = html`<!doctype html>
    <html lang="en">
      <head>
        <meta charset="utf-8" />
        ${inFile && html`<meta http-equiv="Content-Security-Policy" content="${filePolicy(script)}" />`}
        <meta name="viewport" content="width=device-width" />
        <meta name="referrer" content="no-referrer" />
        <title>${title}</title>
        ${new Markup(`<style>${STYLE}</style>`)}
      </head>
      <body>
        ${body} ${new Markup(`<script>${script}</script>`)}
      </body>
    </html> `;
  return page.text;
}

/** The Content-Security-Policy of a page that is served: its own style, script, events and forms, and nothing else. */
export function contentPolicy(script: string): string {
  return [
    ...own(script),
    "connect-src 'self'",
    "form-action 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
  ].join('; ');
}

function filePolicy(script: string): string {
  return [...own(script), "base-uri 'none'", "form-action 'none'"].join('; ');
}

function own(script: string): string[] {
  return ["default-src 'none'", `style-src '${hash(STYLE)}'`, `script-src '${hash(script)}'`];
}

function hash(text: string): string {
  return `sha256-${createHash('sha256').update(text).digest('base64')}`;
}
