/** The session of README.md in a fresh Debian 12, with the package that carries its Node.js. */
import { CARRYING_DEB } from './packages.ts';
import { typeReadmeIn } from './readme.ts';

typeReadmeIn({ suite: 'bookworm', kernel: '6.1', deb: CARRYING_DEB });
