/** fast-check as every test uses it: the message of a failure has the seed and what failed. TAP prints no cause of an error. */
import fc from 'fast-check';

fc.configureGlobal({ includeErrorInReport: true });

export { default } from 'fast-check';
