/** The keys of a review: each presses the button that names it. */
export const REVIEW_SCRIPT = `
document.addEventListener('keydown', (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat) return;
  if (event.target.matches('input') && event.key !== 'Escape') return;
  // What has the focus takes Enter itself.
  if (event.key === 'Enter' && event.target !== document.body) return;
  const button = document.querySelector('[data-key="' + CSS.escape(event.key) + '"]');
  if (!button) return;
  event.preventDefault();
  button.click();
});
`;
