/** `1,204`: a whole number with its thousands apart. From 10^21 on it is a power of ten: `1.5e+21`. */
export function formatNumber(value: number): string {
  return String(value).replace(/\B(?=(\d{3})+$)/g, ',');
}

/** `1,204.5`: as `formatNumber`, with at most so many digits of a fraction, and never as a power of ten. */
export function formatDecimal(value: number, digits: number): string {
  return value.toLocaleString('en-US', { maximumFractionDigits: digits });
}

/** `1 event`, `1,204 events`, `2 entries`. */
export function formatCount(count: number, one: string, many = `${one}s`): string {
  return `${formatNumber(count)} ${count === 1 ? one : many}`;
}

/** A share of 1 as `0 %`, `0.4 %`, `12 %`. */
export function formatPercent(share: number): string {
  const hundredths = share * 100;
  return `${hundredths > 0 && hundredths < 10 ? hundredths.toFixed(hundredths < 0.1 ? 3 : 1) : Math.round(hundredths)} %`;
}
