/** The session of README.md in a fresh Debian 13, with the package that uses the Node.js of the host. */
import { DEB } from './packages.ts';
import { typeReadmeIn } from './readme.ts';

typeReadmeIn({ suite: 'trixie', kernel: '6.12', deb: DEB });
