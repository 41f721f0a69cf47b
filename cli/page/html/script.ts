/**
 * What the page can do beyond being read: filter the table of connections by text, verdict and time. Without it all rows
 * are there.
 */
export const SCRIPT = `
const form = document.querySelector('#flows .filter');
const rows = [...document.querySelectorAll('#flows tbody tr')].map((row) => ({
  row, content: row.textContent.toLowerCase(), verdict: row.dataset.verdict, first: +row.dataset.first, last: +row.dataset.last }));
const bars = [...document.querySelectorAll('.timeline g')];
const [from, to] = form.querySelectorAll('input[type=range]');
const text = form.querySelector('input[type=search]');
const boxes = [...form.querySelectorAll('input[type=checkbox]')];
const told = form.querySelector('output');
let waiting = 0;
function show() {
  waiting = 0;
  const wanted = text.value.toLowerCase();
  const verdicts = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  const [begin, end] = from ? [from, to].map(({ value }) => +value).sort((a, b) => a - b) : [0, Infinity];
  let shown = 0;
  for (const { content, first, last, row, verdict } of rows) {
    const fits = verdicts.has(verdict) && first <= end && last >= begin && content.includes(wanted);
    if (row.hidden === fits) row.hidden = !fits;
    if (fits) shown += 1;
  }
  for (const [at, bar] of bars.entries()) bar.classList.toggle('out', at < begin || at > end);
  for (const ends of from ? [from, to] : []) {
    const time = bars[ends.value].dataset.time;
    ends.setAttribute('aria-valuetext', time);
    ends.nextElementSibling.textContent = time;
  }
  told.textContent = shown + ' of ' + rows.length + ' rows';
}
for (const [at, bar] of bars.entries()) {
  bar.addEventListener('click', () => {
    const alone = +from.value === at && +to.value === at;
    [from.value, to.value] = alone ? [0, bars.length - 1] : [at, at];
    show();
  });
}
form.addEventListener('input', () => { waiting ||= requestAnimationFrame(show); });
form.addEventListener('submit', (event) => event.preventDefault());
form.hidden = false;
show();
`;
