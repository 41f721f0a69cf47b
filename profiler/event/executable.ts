/** Before the path of a program that is not the file that the host has at that path. */
export const ELSEWHERE = 'elsewhere:';

/** Ends the path of an executable that was deleted. */
export const DELETED = ' (deleted)';

/** Instead of the path of a program that is too long for the kernel side, and whose process is gone. */
export const TOO_LONG = 'unknown: the path is too long';
