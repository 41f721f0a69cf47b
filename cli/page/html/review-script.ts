/**
 * The keys of a review: each presses the button that names it. Keys of one letter can be switched off, for those who
 * speak to their computer (WCAG 2.1, 2.1.4); where that cannot be remembered it is off for one page.
 */
export const REVIEW_SCRIPT = `
const keys = document.getElementById('keys');
try { keys.checked = sessionStorage.getItem('keys') !== 'off'; } catch {}
keys.closest('label').hidden = false;
keys.addEventListener('change', () => {
  try { sessionStorage.setItem('keys', keys.checked ? 'on' : 'off'); } catch {}
});
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.matches('input:not([type=checkbox])') && event.key !== 'Escape') return;
  // What has the focus takes Enter itself.
  if (event.key === 'Enter' && event.target !== document.body) return;
  if (event.key.length === 1 && !keys.checked) return;
  const button = document.querySelector('[data-key="' + CSS.escape(event.key) + '"]');
  if (!button) return;
  event.preventDefault();
  button.click();
});
`;
