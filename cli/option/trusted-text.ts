import { BouhekiError } from '../../error/error.ts';
import { encodingFault } from '../../host/encoding.ts';
import { TrustedFile } from '../../host/trusted-file.ts';

/** Bytes of a list that is read: the published blocks of all owners of addresses are some ten million. */
const MOST = 1 << 28;

/**
 * The text of a file that decides on what a policy allows. Throws BouhekiError `untrusted` when others than
 * root and ourselves can write it, `usage` when it is not UTF-8, and what the system says when it can't be read.
 */
export function readTrustedText(path: string): string {
  using file = TrustedFile.open(path);
  const bytes = file.read(MOST);
  const fault = encodingFault(bytes);
  if (fault === undefined) return bytes.toString().replace(/^\uFEFF/, '');
  throw new BouhekiError('usage', `${path}: ${fault.message}`, { remedy: fault.remedy });
}
