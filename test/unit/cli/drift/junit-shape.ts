import assert from 'node:assert/strict';
import { SaxesParser } from 'saxes';

/** An element of a document: its children may only be elements, or only text. */
interface Element {
  name: string;
  attributes: Record<string, string>;
  children: Element[];
  text: string;
}

interface Shape {
  required: readonly string[];
  optional: readonly string[];
  children: readonly string[];
}

/**
 * What Jenkins accepts of the elements that are printed, by junit-10.xsd of its xunit plugin: attributes, and elements
 * inside. https://github.com/jenkinsci/xunit-plugin
 */
const SHAPES: Record<string, Shape> = {
  testsuites: {
    required: [],
    optional: ['name', 'time', 'tests', 'failures', 'errors'],
    children: ['testsuite'],
  },
  testsuite: {
    required: ['name', 'tests', 'failures', 'errors'],
    optional: ['time', 'skipped', 'timestamp', 'hostname', 'id', 'package', 'file', 'log', 'url', 'group'],
    children: ['testsuite', 'properties', 'testcase', 'system-out', 'system-err'],
  },
  testcase: {
    required: ['name'],
    optional: ['time', 'classname', 'group'],
    children: ['skipped', 'error', 'failure', 'system-out', 'system-err'],
  },
  failure: { required: [], optional: ['type', 'message'], children: [] },
  'system-out': { required: [], optional: [], children: [] },
};

/** The root of a document, by a parser that accepts well-formed XML 1.0 alone. */
function parseXml(text: string): Element {
  const root: Element = { name: '', attributes: {}, children: [], text: '' };
  const open = [root];
  const parser = new SaxesParser();
  parser.on('error', (error) => {
    throw error;
  });
  parser.on('opentag', ({ attributes, name }) => {
    const element = { name, attributes: { ...attributes } as Record<string, string>, children: [], text: '' };
    open.at(-1)!.children.push(element);
    open.push(element);
  });
  parser.on('closetag', () => void open.pop());
  parser.on('text', (part) => {
    open.at(-1)!.text += part;
  });
  parser.write(text).close();
  assert.equal(root.children.length, 1);
  return root.children[0]!;
}

function check({ attributes, children, name, text }: Element): void {
  const shape = SHAPES[name];
  assert(shape, `an element ${name}`);
  for (const key of shape.required) assert(key in attributes, `${name} without ${key}`);
  for (const key of Object.keys(attributes))
    assert([...shape.required, ...shape.optional].includes(key), `${name} with ${key}`);
  for (const child of children) {
    assert(shape.children.includes(child.name), `${child.name} in ${name}`);
    check(child);
  }
  if (shape.children.length > 0) assert.equal(text.trim(), '', `text in ${name}`);
}

const within = ({ children }: Element, name: string): Element[] =>
  children.flatMap((child) => [...(child.name === name ? [child] : []), ...within(child, name)]);

/** Fails the test where a document is none that readers of JUnit's XML accept, or counts otherwise than it holds. */
export function assertJunit(text: string): void {
  const root = parseXml(text);
  assert.equal(root.name, 'testsuites');
  check(root);
  for (const each of [root, ...within(root, 'testsuite')]) {
    assert.equal(Number(each.attributes['tests']), within(each, 'testcase').length);
    assert.equal(Number(each.attributes['failures']), within(each, 'failure').length);
  }
}
