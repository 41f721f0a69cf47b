const BARS = [...'▁▂▃▄▅▆▇█'];

/**
 * A curve of values that are not negative, a character each. The lowest stands for none, the highest for the
 * largest: `▁▄▆▇██`.
 */
export function sparkline(values: readonly number[]): string {
  const most = Math.max(1, ...values);
  return values.map((value) => BARS[Math.ceil((value / most) * (BARS.length - 1))]).join('');
}
