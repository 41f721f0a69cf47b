/**
 * Fills the part of a served page about what happens now, from the stream at `events`. What it is sent becomes text, never
 * markup.
 */
export const LIVE_SCRIPT = `
{
const MOST = 200;
const WORDS = { allow: 'allowed', deny: 'denied', noted: 'would be denied' };
const now = document.querySelector('#now');
const state = now.querySelector('#state');
const live = now.querySelector('#live');
const body = now.querySelector('tbody');
const filter = now.querySelector('form');
const search = filter.querySelector('input[type=search]');
const pause = filter.querySelector('button');
const output = filter.querySelector('output');
const rows = new Map();
const sums = { connections: 0, new: 0, denied: 0, noted: 0, lost: 0, missed: 0 };
let held = [];
let heldOver = 0;
const fits = ({ content, isNew, verdict }) => content.includes(search.value.toLowerCase())
  && (!filter.elements.new.checked || isNew) && (!filter.elements.denied.checked || verdict !== 'allow');
function cell(row, text, name) {
  const made = row.insertCell();
  made.textContent = text.length > 120 ? text.slice(0, 119) + '…' : text;
  if (made.textContent !== text) made.title = text;
  if (name) made.className = name;
  return made;
}
function add({ count, isNew, rule, time, verdict, where, who }) {
  const key = JSON.stringify([verdict, who, where, rule]);
  let known = rows.get(key);
  if (!known) {
    const row = document.createElement('tr');
    const at = cell(row, time, 'time');
    cell(row, isNew ? 'new' : '', 'new');
    cell(row, WORDS[verdict], verdict);
    cell(row, who, 'name');
    cell(row, where, 'name');
    cell(row, rule ?? '', 'name');
    known = { row, at, times: cell(row, '', 'number'), count: 0, isNew, verdict, content: row.textContent.toLowerCase() };
    row.hidden = !fits(known);
  }
  rows.delete(key);
  rows.set(key, known);
  known.count += count;
  known.at.textContent = time;
  known.times.textContent = known.count.toLocaleString('en');
  body.prepend(known.row);
  if (rows.size <= MOST) return;
  const [oldest, { row }] = rows.entries().next().value;
  rows.delete(oldest);
  row.remove();
}
function told() {
  for (const [key, sum] of Object.entries(sums)) {
    const fact = now.querySelector('[data-fact=' + key + ']');
    fact.lastElementChild.textContent = sum.toLocaleString('en');
    fact.classList.toggle('bad', sum > 0 && (key === 'lost' || key === 'missed'));
  }
  const waiting = held.length + heldOver;
  const shown = [...rows.values()].filter(({ row }) => !row.hidden).length;
  output.textContent = pause.getAttribute('aria-pressed') === 'true'
    ? 'Paused, ' + waiting + ' lines came since' : shown + ' of ' + rows.size + ' rows';
}
const stream = new EventSource('events');
const on = (kind, work) => stream.addEventListener(kind, (event) => { work(JSON.parse(event.data)); told(); });
on('state', ({ following, text }) => {
  state.textContent = text;
  now.classList.toggle('following', following);
  if (following) live.hidden = false;
});
on('connections', ({ rows: came, ...more }) => {
  for (const key of Object.keys(sums)) sums[key] += more[key] ?? 0;
  if (pause.getAttribute('aria-pressed') !== 'true') { came.forEach(add); return; }
  held.push(...came);
  if (held.length > MOST) { heldOver += held.length - MOST; held = held.slice(-MOST); }
});
on('recent', (came) => came.forEach(add));
on('missed', ({ count }) => { sums.missed += count; });
on('ended', ({ text }) => { stream.close(); state.textContent = text; now.classList.remove('following'); });
stream.addEventListener('error', () => {
  now.classList.remove('following');
  if (stream.readyState !== EventSource.CLOSED) state.textContent = 'Not connected, trying again ...';
});
pause.addEventListener('click', () => {
  const paused = pause.getAttribute('aria-pressed') !== 'true';
  pause.setAttribute('aria-pressed', paused);
  pause.textContent = paused ? 'Go on' : 'Pause';
  if (!paused) { held.forEach(add); held = []; heldOver = 0; }
  told();
});
filter.addEventListener('input', () => {
  for (const known of rows.values()) known.row.hidden = !fits(known);
  told();
});
filter.addEventListener('submit', (event) => event.preventDefault());
}
`;
