/** In a fresh Debian 13 the package that uses the Node.js of the host does what docs/install.md says. */
import { liveIn } from './life.ts';
import { DEB } from './packages.ts';

liveIn({ suite: 'trixie', kernel: '6.12', deb: DEB });
