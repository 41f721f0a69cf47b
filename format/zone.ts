/** No zone is farther from UTC than this, in minutes. */
const FARTHEST = 14 * 60;

/**
 * Minutes that a zone (`Z`, `+01:00`, `-0330`) is ahead of UTC; undefined for one that is nowhere on Earth.
 */
export function minutesAhead(zone: string): number | undefined {
  if (/^z$/i.test(zone)) return 0;
  const [hours, minutes] = [Number(zone.slice(1, 3)), Number(zone.slice(-2))];
  if (minutes > 59 || hours * 60 + minutes > FARTHEST) return undefined;
  return (zone.startsWith('-') ? -1 : 1) * (hours * 60 + minutes);
}
