/** Policies with every construct of both versions, as soil for mutations. */
const SOIL = [
  `# header
version: 2
network:
  mode: block
  target: host
  deny:
    - name: cloud metadata
      to: [{ cidr: [169.254.169.254/32, "fd00:ec2::254/128", metadata] }]
  allow:
    # 12 events
    - name: nightly backup
      from: { exe: [/usr/bin/pg_dump], uid: [999], script: [/opt/x.py], cgroup: ["/a*"] }
      to:
        - { cidr: [10.0.3.0/28], port: [5432], protocol: [tcp] }
        - cidr:
            - 10.0.9.7/32 # seen once
            - "::ffff:10.0.0.0/104"
          except: [10.0.9.8]
          port: [443, "8000-8010"]
          protocol: [tcp, 132]
      sockets: [raw, packet]
    - from: { command: [curl, "apt*"], container: ["web-*"], image: ["*:latest"], unit: [cron.service], gid: [0] }
log: { format: json, level: info, labels: { team: "a b" }, output: /var/log/b.log }
`,
  `network:
  mode: block
  target: container
  allow:
    - 10.0.1.1/24
    - 127.0.0.1/24
  deny: # []
    - 10.0.1.10/32
  command: { allow: ['wget'], deny: ["curl"] }
  uid:
    allow: [0]
    deny:
      - 1000
  gid: { allow: [] }
log:
  format: text
  labels:
    a: 1
`,
  `version: 2
network:
  cidr: { allow: [private, loopback], deny: [metadata] }
  command:
    deny: [nc]
  uid: { allow: [0, 7] }
  sockets: [other, source-route]
`,
];

const SPLINTERS = [
  ...'&*!%@`|>?-:,[]{}#"\'\t\n\r \\~<=',
  '\n---\n',
  '\n...\n',
  '<<: ',
  '&a ',
  '*a',
  '!!binary ',
  '? ',
  '- ',
  '[[[[[[',
  '{a: {a: {a: ',
  '|+\n',
  '>-\n',
  '0x7fffffffffffffff',
  '1e999',
  '.inf',
  '.nan',
  '-0',
  '0o7',
  'null',
  'true',
  '2001-01-01',
  '__proto__: ',
  'constructor: ',
  'toString',
  '\u0000',
  '\u001f',
  '\u0002',
  '\u0018',
  '\ufeff',
  '\u2028',
  '\ud800',
  '%YAML 1.1\n---\n',
  '::ffff:0:0/95',
  '4294967296',
  '"\\x00"',
  "'",
];

/** A generator of numbers in [0, 1) that is the same for the same seed (mulberry32). */
export function randomOf(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** A policy file with some things wrong: the same for the same random numbers. */
export function mutatedPolicy(random: () => number): string {
  return mutatedText(random, SOIL);
}

/** One of the texts with up to six things wrong: parts lost, moved, repeated, or made of what parsers trip over. */
export function mutatedText(random: () => number, soil: readonly string[]): string {
  const below = (limit: number) => Math.floor(random() * limit);
  let text = soil[below(soil.length)]!;
  for (let left = below(6); left >= 0; left--) {
    const at = below(text.length + 1);
    const length = below(random() < 0.2 ? 200 : 12);
    const other = soil[below(soil.length)]!;
    const from = below(other.length);
    const kind = below(8);
    if (kind === 0) text = text.slice(0, at) + text.slice(at + length);
    else if (kind === 1) text = text.slice(0, at) + other.slice(from, from + length) + text.slice(at);
    else if (kind === 2)
      text = text.slice(0, at) + text.slice(at, at + length).repeat(1 + below(20)) + text.slice(at);
    else if (kind === 3)
      text = text.slice(0, at) + SPLINTERS[below(SPLINTERS.length)]!.repeat(1 + below(400)) + text.slice(at);
    else if (kind > 4) text = otherDigit(text, at, below(10));
    else text = text.slice(0, at) + SPLINTERS[below(SPLINTERS.length)]! + text.slice(at + below(3));
  }
  return text;
}

/** Most files should stay almost right: that is where a parser goes wrong in silence. */
function otherDigit(text: string, from: number, digit: number): string {
  const found = text.slice(from).search(/\d/);
  return found < 0 ? text : `${text.slice(0, from + found)}${digit}${text.slice(from + found + 1)}`;
}
