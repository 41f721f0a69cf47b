/** What the page can do beyond being read: filter the table of connections. Without it all rows are there. */
export const SCRIPT = `
const form = document.querySelector('.filter');
const rows = [...document.querySelectorAll('#flows tbody tr')].map((row) => [row, row.textContent.toLowerCase(), row.dataset.verdict]);
const text = form.querySelector('input[type=search]');
const boxes = [...form.querySelectorAll('input[type=checkbox]')];
const told = form.querySelector('output');
let waiting = 0;
function show() {
  waiting = 0;
  const wanted = text.value.toLowerCase();
  const verdicts = new Set(boxes.filter((box) => box.checked).map((box) => box.value));
  let shown = 0;
  for (const [row, content, verdict] of rows) {
    const fits = verdicts.has(verdict) && content.includes(wanted);
    if (row.hidden === fits) row.hidden = !fits;
    if (fits) shown += 1;
  }
  told.textContent = shown + ' of ' + rows.length + ' rows';
}
form.addEventListener('input', () => { waiting ||= requestAnimationFrame(show); });
form.addEventListener('submit', (event) => event.preventDefault());
form.hidden = false;
show();
`;
