/** In a fresh Debian 12, whose Node.js is too old, the package that carries one does what docs/install.md says. */
import { liveIn } from './life.ts';
import { CARRYING_DEB } from './packages.ts';

liveIn({ suite: 'bookworm', kernel: '6.1', deb: CARRYING_DEB }, process.versions.node);
