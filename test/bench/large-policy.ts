/** A policy of many rules, each for an executable of its own, laid out as people lay out lists: one prefix a line. */
export function largePolicy(rules: number, prefixes: number): string {
  const lines = ['version: 2', 'network:', '  mode: block', '  allow:'];
  let next = 0;
  for (let rule = 0; rule < rules; rule++) {
    lines.push(`    - name: rule ${rule}`, `      from: { exe: [/usr/bin/app${rule}], uid: [${rule}] }`);
    lines.push('      to:', '        - cidr:');
    for (let left = prefixes; left > 0; left--, next++) {
      lines.push(`            - ${10 + (next >> 16)}.${(next >> 8) & 255}.${next & 255}.0/24`);
    }
    lines.push('          port: [443, "8000-8010"]', '          protocol: [tcp]');
  }
  return `${lines.join('\n')}\n`;
}
