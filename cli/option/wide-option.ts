import { Option } from 'commander';

/** `--wide`, for reports with tables. */
export function wideOption(): Option {
  return new Option('--wide', 'do not cut tables to the width of the terminal').default(false);
}
