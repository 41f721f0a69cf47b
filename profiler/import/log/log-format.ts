/** What other tools write of connections; apart from the readers, which the help of the command does without. */
export const LOG_FORMATS = ['zeek', 'vpc-flow', 'eve', 'tetragon', 'conntrack', 'ss'] as const;
export type LogFormat = (typeof LOG_FORMATS)[number];
