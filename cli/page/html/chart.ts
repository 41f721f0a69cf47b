import { formatTime } from '../../../format/moment.ts';
import { formatCount } from '../../../format/number.ts';
import type { Timeline, Verdict } from './page-data.ts';
import { html, type Markup } from './markup.ts';

const VERDICTS: readonly Verdict[] = ['deny', 'noted', 'allow'];
const WIDTH = 960;
const HEIGHT = 120;

/** Connections by time, a bar for each part, denied ones below. */
export function timelineChart({ counts, start, width }: Timeline): Markup {
  const parts = counts.allow.map((_, at) => VERDICTS.map((verdict) => counts[verdict][at]!));
  const most = Math.max(1, ...parts.map((part) => part.reduce((sum, count) => sum + count, 0)));
  const step = WIDTH / parts.length;
  const bars = parts.map((part, at) => {
    let y = HEIGHT;
    const pieces = part.map((count, index) => {
      // What is there is seen.
      const height = count === 0 ? 0 : Math.max(1.5, (count / most) * HEIGHT);
      y -= height;
      return (
        height > 0 &&
        html`<rect
          class="${VERDICTS[index]!}"
          x="${(at * step + 0.5).toFixed(1)}"
          y="${Math.max(0, y).toFixed(1)}"
          width="${(step - 1).toFixed(1)}"
          height="${height.toFixed(1)}"
        />`
      );
    });
    const [deny, noted, allow] = part as [number, number, number];
    const title = `${formatTime(start + at * width)}: ${allow} allowed, ${deny} denied, ${noted} would be denied`;
    // All of its height can be pointed at.
    const place = html`<rect
      class="place"
      x="${(at * step).toFixed(1)}"
      y="0"
      width="${step.toFixed(1)}"
      height="${HEIGHT}"
    />`;
    return html`<g data-time="${formatTime(start + at * width)}"
      ><title>${title}</title>${place}${pieces}</g
    >`;
  });
  const end = start + parts.length * width;
  return html`<figure>
    <svg
      class="timeline"
      viewBox="0 0 ${WIDTH} ${HEIGHT}"
      preserveAspectRatio="none"
      role="img"
      aria-label="Connections by time, at most ${formatCount(most, 'connection')} in a part"
    >
      ${bars}
    </svg>
    <figcaption>
      <span>${formatTime(start)}</span><span>at most ${formatCount(most, 'connection')} in a bar</span
      ><span>${formatTime(end)}</span>
    </figcaption>
  </figure>`;
}

/** Distinct destinations known after each tenth of the events: it flattens when little is left to learn. */
export function curveChart(values: readonly number[], label: string): Markup {
  const most = Math.max(1, ...values);
  const step = 80 / Math.max(1, values.length - 1);
  const points = values.map(
    (value, at) => `${(at * step).toFixed(1)},${(22 - (value / most) * 20).toFixed(1)}`,
  );
  return html`<svg class="curve" viewBox="-1 0 82 24" role="img" aria-label="${label}: ${values.join(', ')}">
    <polyline points="${points.join(' ')}" />
  </svg>`;
}
