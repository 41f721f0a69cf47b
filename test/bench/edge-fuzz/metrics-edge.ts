import { connect } from 'node:net';
import { setTimeout as wait } from 'node:timers/promises';
import { mutatedText } from '../policy-mutation.ts';
import { below, bytes, settled, type Edge } from './edge.ts';

const SOIL = [
  'GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: keep-alive\r\n\r\n',
  'POST /metrics HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nffffffff\r\nabc\r\n0\r\n\r\n',
  'GET http://[::1]:99999/metrics?%00%ff HTTP/1.1\r\nHost: ::\r\nContent-Length: -1\r\nUpgrade: h2c\r\n\r\n',
  'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n',
];

/** The port of the metrics. */
export const metricsEdge: Edge = {
  name: 'metrics',
  async attempt({ metricsPort, random }) {
    const socket = connect(metricsPort, '127.0.0.1');
    socket.on('error', () => undefined);
    try {
      await settled(socket, 'connect');
      socket.write(random() < 0.2 ? bytes(random, 3000) : mutatedText(random, SOIL));
      if (random() < 0.5) socket.resume();
      await Promise.race([settled(socket, 'close'), wait(below(random, 300))]);
    } finally {
      socket.destroy();
    }
  },
};
