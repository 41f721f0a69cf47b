/** The one style sheet of the page. */
export const STYLE = `
:root { color-scheme: light dark; --paper: #fcfcfa; --ink: #1c2330; --quiet: #596273; --line: #dfe2e6; --panel: #f2f3f1;
  --accent: #0b6e69; --deny: #b3261e; --noted: #8a5a00; }
@media (prefers-color-scheme: dark) { :root { --paper: #14181d; --ink: #e6e9ed; --quiet: #a3adba; --line: #333a44;
  --panel: #1c2229; --accent: #5cc8bf; --deny: #ff8a80; --noted: #f0b84d; } }
* { box-sizing: border-box; }
html { scroll-padding-top: 4rem; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif;
  font-variant-numeric: tabular-nums; }
header, main, footer { max-width: 76rem; margin: 0 auto; padding: 0 1.25rem; }
header { padding-top: 3rem; }
h1 { font-size: 2rem; line-height: 1.2; margin: 0 0 .25rem; letter-spacing: -.01em; }
h2 { font-size: 1.35rem; margin: 4rem 0 .5rem; }
main > section:first-child h2 { margin-top: 2.5rem; }
h3 { font-size: 1rem; margin: 2rem 0 .25rem; }
p, ul { max-width: 46rem; margin: .5rem 0; }
header p { max-width: none; }
.quiet, figcaption, caption { color: var(--quiet); }
code, pre, td.name { overflow-wrap: anywhere; }
code, pre { font: .875em/1.5 ui-monospace, monospace; }
code { background: var(--panel); padding: .1em .35em; border-radius: .25rem; }
pre { background: var(--panel); padding: .75rem 1rem; border-radius: .5rem; margin: .5rem 0; white-space: pre-wrap; }
a { color: var(--accent); }
:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
nav { position: sticky; top: 0; background: var(--paper); border-bottom: 1px solid var(--line); z-index: 1; }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.5rem; max-width: 76rem; margin: 0 auto; padding: .75rem 1.25rem;
  list-style: none; }
.facts { display: grid; grid-template-columns: repeat(auto-fit, minmax(7.5rem, 1fr)); gap: 1.5rem; margin: 2rem 0;
  max-width: none; }
.facts dt { color: var(--quiet); font-size: .875rem; }
.facts dd { margin: 0; font-size: 1.6rem; line-height: 1.3; }
.facts .bad dd, td.deny, .high { color: var(--deny); }
td.noted, .medium { color: var(--noted); }
.todo { border-left: 3px solid var(--accent); padding: .25rem 0 .25rem 1.25rem; list-style: none; }
.todo li { margin: .5rem 0; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; width: 100%; font-size: .875rem; }
caption { text-align: left; padding: .5rem 0; }
th { text-align: left; font-weight: 600; color: var(--quiet); white-space: nowrap; }
th, td { padding: .4rem 1rem .4rem 0; border-bottom: 1px solid var(--line); vertical-align: top; }
th.number, td.number { text-align: right; }
td.number, td.time { white-space: nowrap; }
td.name { min-width: 12rem; }
figure { margin: 1rem 0; }
figcaption { display: flex; justify-content: space-between; gap: 1rem; font-size: .8rem; }
svg { display: block; }
.sankey { width: 100%; height: auto; margin: 1rem 0; }
.sankey text { font-size: 12px; fill: var(--ink); }
.sankey.narrow { display: none; max-width: 28rem; }
.sankey.narrow text { stroke: var(--paper); stroke-width: 4px; stroke-linejoin: round; paint-order: stroke; }
.way { stroke: var(--accent); stroke-opacity: .35; }
.way:hover { stroke-opacity: .75; }
.way.deny { stroke: var(--deny); }
.way.noted { stroke: var(--noted); }
.end { fill: var(--ink); }
.timeline { width: 100%; height: 8rem; border-bottom: 1px solid var(--line); }
.timeline .allow { fill: var(--accent); } .timeline .deny { fill: var(--deny); } .timeline .noted { fill: var(--noted); }
.timeline .place { fill: transparent; } .timeline .out { opacity: .25; }
.curve { width: 5.5rem; height: 1.6rem; }
.curve polyline { fill: none; stroke: var(--accent); stroke-width: 1.5; }
.key { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; font-size: .875rem; list-style: none; padding: 0; }
.key li::before { content: ""; display: inline-block; width: .75rem; height: .75rem; border-radius: .15rem;
  margin-right: .4rem; background: var(--accent); }
.key .deny::before { background: var(--deny); } .key .noted::before { background: var(--noted); }
.rule { border-top: 1px solid var(--line); padding: 1rem 0; display: grid; gap: .5rem 2rem;
  grid-template-columns: minmax(0, 3fr) minmax(0, 2fr); }
.rule h3 { margin: 0; grid-column: 1 / -1; overflow-wrap: anywhere; }
.rule pre { margin: 0; max-height: 24rem; overflow: auto; }
.rule ul, .rule p { margin: 0 0 .5rem; padding-left: 0; list-style: none; font-size: .9rem; overflow-wrap: anywhere; }
.mark { color: var(--noted); }
.filter { display: flex; flex-wrap: wrap; gap: .75rem 1.5rem; align-items: end; margin: 1rem 0; }
.filter[hidden] { display: none; }
.filter input[type=search] { font: inherit; padding: .4rem .6rem; border: 1px solid var(--quiet); border-radius: .35rem;
  background: var(--paper); color: var(--ink); width: 18rem; max-width: 100%; }
.filter label { font-size: .875rem; }
.filter input[type=range] { width: 12rem; max-width: 100%; accent-color: var(--accent); display: block; }
.filter label.block { display: grid; gap: .25rem; }
.unseen { position: absolute; clip-path: inset(50%); }
.lamp { display: inline-block; width: .6rem; height: .6rem; border-radius: 50%; background: var(--quiet); margin-right: .5rem; }
.following .lamp { background: var(--accent); }
.rows { max-height: 24rem; overflow-y: auto; border-block: 1px solid var(--line); }
.rows thead th { position: sticky; top: 0; background: var(--paper); }
td.new { color: var(--accent); font-weight: 600; }
button { font: inherit; padding: .4rem .8rem; border: 1px solid var(--quiet); border-radius: .35rem; background: var(--panel);
  color: var(--ink); cursor: pointer; }
button:hover { border-color: var(--accent); }
button.take { background: var(--accent); border-color: var(--accent); color: var(--paper); }
kbd { font: .8em ui-monospace, monospace; border: 1px solid; border-radius: .2rem; padding: 0 .3em; margin-left: .3em; }
.review section { max-width: 60rem; }
.known { display: grid; grid-template-columns: max-content minmax(0, 1fr); gap: .35rem 1.5rem; margin: 1rem 0 1.5rem; }
.known dt { color: var(--quiet); } .known dd { margin: 0; overflow-wrap: anywhere; }
.answers { display: flex; flex-wrap: wrap; gap: .75rem; align-items: center; margin: .75rem 0; }
.answers input { font: inherit; padding: .4rem .6rem; border: 1px solid var(--quiet); border-radius: .35rem;
  background: var(--paper); color: var(--ink); width: 14rem; max-width: 100%; }
.preview { border-left: 3px solid var(--accent); padding-left: 1.25rem; margin: 1.5rem 0; }
.diff { max-height: 28rem; overflow: auto; } .diff span { display: block; min-height: 1.5em; }
.diff .gone { color: var(--deny); } .diff .come { color: var(--accent); } .diff .skipped { color: var(--quiet); }
a kbd { display: inline-block; } button[aria-current] { border-color: var(--accent); box-shadow: inset 0 0 0 1px var(--accent); }
.done { color: var(--quiet); }
.message { border-left: 3px solid var(--noted); padding: .25rem 0 .25rem 1.25rem; }
footer { padding: 4rem 1.25rem; color: var(--quiet); font-size: .875rem; }
@media (max-width: 45rem) { html { scroll-padding-top: 6.5rem; } .rule, .known { grid-template-columns: minmax(0, 1fr); }
  .known { gap: 0; } .known dd { margin-bottom: .5rem; } h1 { font-size: 1.5rem; } }
@media screen and (max-width: 58.5rem) { .sankey.wide { display: none; } .sankey.narrow { display: block; } }
@media print { nav, #now, .filter { display: none; } body { font-size: 11pt; } .scroll { overflow: visible; }
  .rule, tr { break-inside: avoid; } .rule pre { max-height: none; } h2 { break-after: avoid; } }
`;
