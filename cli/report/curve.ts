import { jsonDocument } from '../terminal/json-document.ts';
import { formatDecimal } from '../../format/number.ts';
import type { Curve } from '../../generator/rule/curve.ts';
import { formatTable } from '../terminal/table.ts';

/** Lines of the table at most. */
const ROWS = 24;

/** The curve as a table with the suggested number marked. */
export function curveText({ observed, points, suggested }: Curve): string {
  const step = Math.max(1, Math.ceil((points.length - 1) / ROWS));
  const shown = points.filter(
    (point, at) => at % step === 0 || point === suggested || at === points.length - 1,
  );
  const rows = shown.map((point) => [
    String(point.count),
    formatDecimal(point.cost, 3),
    overGrant(1 + point.cost / observed),
    point === suggested ? '<- suggested: --max-cidrs ' + point.count : '',
  ]);
  return `${formatTable(['CIDRs', 'not observed', 'over-grant', ''], rows).join('\n')}\n`;
}

/** `x1.24`, `x617,000`: three digits that count, none as a power of ten. */
function overGrant(ratio: number): string {
  return `x${formatDecimal(Number(ratio.toPrecision(3)), 3)}`;
}

export function curveJson({ observed, points, suggested }: Curve): string {
  const json = {
    observed,
    suggested: suggested.count,
    points: points.map(({ count, cost }) => ({ cidrs: count, unobserved: cost })),
  };
  return jsonDocument('curve', json);
}
