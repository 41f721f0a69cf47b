import type { View } from '../../terminal/view.ts';
import type { Format } from './format-name.ts';
import { driftAnnotations } from './github.ts';
import { driftJson } from './json.ts';
import { driftJunit } from './junit.ts';
import { driftMarkdown } from './markdown.ts';
import { driftNdjson } from './ndjson.ts';
import type { DriftReport } from './report.ts';
import { driftSarif } from './sarif.ts';
import { driftText } from './text.ts';

/** A format a file. `view` is for those that people read in a terminal. */
export const RENDERERS: Record<Format, (report: DriftReport, view: View) => string> = {
  text: driftText,
  json: driftJson,
  ndjson: driftNdjson,
  markdown: driftMarkdown,
  sarif: driftSarif,
  junit: driftJunit,
  github: driftAnnotations,
};
