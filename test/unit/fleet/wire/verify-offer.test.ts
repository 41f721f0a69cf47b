import assert from 'node:assert/strict';
import { createHash, generateKeyPairSync, type KeyObject } from 'node:crypto';
import { test } from 'node:test';
import { canonicalJson } from '../../../../fleet/wire/canonical.ts';
import {
  type Manifest,
  manifestBytes,
  type Placement,
  readManifest,
  signPlacement,
} from '../../../../fleet/wire/manifest.ts';
import type { Offer } from '../../../../fleet/wire/message.ts';
import { publicKeyBytes, signFor, signManifest } from '../../../../fleet/wire/signature.ts';
import { type OfferContext, verifyOffer } from '../../../../fleet/wire/verify-offer.ts';
import fc from '../../../arbitrary/fast-check.ts';

const newKey = (): KeyObject => generateKeyPairSync('ed25519').privateKey;
const ALICE = newKey();
const BOB = newKey();
const HUB = newKey();
const sha256 = (bytes: Buffer): string => createHash('sha256').update(bytes).digest('hex');

const BODY = Buffer.from('version: 2\nmode: monitor\n');
const BEFORE = Buffer.from('version: 2\nmode: block\n');
const NOW = Date.UTC(2026, 10, 30);

const MANIFEST: Manifest = {
  format: 1,
  workload: 'web',
  revision: 7,
  digest: sha256(BODY),
  previous: sha256(BEFORE),
  previousMode: 'block',
  plan: { stages: [] },
  features: ['user'],
  issued: '2026-11-29T00:00:00.000Z',
  notAfter: '2027-02-28T00:00:00.000Z',
  onStale: 'keep',
  mode: 'block',
};

const PLACEMENT: Placement = {
  format: 1,
  workload: 'web',
  revision: 7,
  host: 'h1',
  digest: MANIFEST.digest,
  mode: 'block',
  stage: 0,
  time: '2026-11-30T00:00:00.000Z',
};

interface Change {
  manifest?: Partial<Manifest>;
  placement?: Partial<Placement>;
  authors?: KeyObject[];
  hub?: KeyObject;
  body?: Buffer;
}

function offerOf({ manifest, placement, authors = [ALICE], hub = HUB, body = BODY }: Change = {}): Offer {
  const bytes = manifestBytes({ ...MANIFEST, ...manifest });
  return {
    nonce: '1',
    manifest: bytes,
    manifestSignatures: authors.map((author) => signManifest(bytes, author)),
    ...signPlacement({ ...PLACEMENT, ...placement }, hub),
    body,
  };
}

const CONTEXT: OfferContext = {
  authorKeys: [publicKeyBytes(ALICE), publicKeyBytes(BOB)],
  authorThreshold: 1,
  hubKey: publicKeyBytes(HUB),
  host: 'h1',
  workload: 'web',
  highest: { revision: 6, manifest: 'ab'.repeat(32) },
  features: ['user', 'host'],
  policyBytes: 1_000_000,
  now: NOW,
  stored: () => undefined,
};

function refusalOf(offer: Offer, context: Partial<OfferContext> = {}): string | undefined {
  const verdict = verifyOffer(offer, { ...CONTEXT, ...context });
  return 'refused' in verdict ? verdict.refused.code : undefined;
}

test('an offer that authors and hub have signed is taken, with its exact text', () => {
  const verdict = verifyOffer(offerOf(), CONTEXT);
  assert.ok(!('refused' in verdict));
  assert.deepEqual(verdict.body, BODY);
  assert.deepEqual(verdict.manifest, MANIFEST);
  assert.deepEqual(verdict.highest, { revision: 7, manifest: sha256(manifestBytes(MANIFEST)) });
});

test('as many different authors as the threshold have to sign', () => {
  assert.equal(refusalOf(offerOf({ authors: [] })), 'signature');
  assert.equal(refusalOf(offerOf({ authors: [newKey()] })), 'signature');
  assert.equal(refusalOf(offerOf({ authors: [HUB] })), 'signature');
  assert.equal(refusalOf(offerOf({ authors: [ALICE, ALICE] }), { authorThreshold: 2 }), 'signature');
  assert.equal(refusalOf(offerOf({ authors: [ALICE, BOB] }), { authorThreshold: 2 }), undefined);
  const twice = [publicKeyBytes(ALICE), publicKeyBytes(ALICE)];
  assert.equal(
    refusalOf(offerOf({ authors: [ALICE, ALICE] }), { authorThreshold: 2, authorKeys: twice }),
    'signature',
  );
});

test('no threshold lets an unsigned manifest pass', () => {
  for (const authorThreshold of [0, -1, Number.NaN]) {
    assert.equal(refusalOf(offerOf({ authors: [] }), { authorThreshold }), 'signature');
  }
  assert.equal(refusalOf(offerOf(), { authorKeys: [] }), 'signature');
});

test('a signature for one purpose is none for the other', () => {
  const offer = offerOf();
  const [first] = offer.manifestSignatures;
  const crossed = { key: first!.key, signature: signFor('placement', offer.manifest, ALICE) };
  assert.equal(refusalOf({ ...offer, manifestSignatures: [crossed] }), 'signature');
});

test('a revision below the highest seen is refused, and another manifest of the same one', () => {
  assert.equal(refusalOf(offerOf(), { highest: { revision: 8, manifest: 'ab'.repeat(32) } }), 'revision');
  assert.equal(refusalOf(offerOf(), { highest: { revision: 7, manifest: 'ab'.repeat(32) } }), 'revision');
  const known = { revision: 7, manifest: sha256(manifestBytes(MANIFEST)) };
  assert.equal(refusalOf(offerOf(), { highest: known }), undefined);
  assert.equal(refusalOf(offerOf({ placement: { revision: 6 } })), 'revision');
});

test('a hub goes back to the policy before without an author, and no further', () => {
  const back = { digest: MANIFEST.previous! };
  assert.equal(refusalOf(offerOf({ placement: back, body: BEFORE })), undefined);
  assert.equal(refusalOf(offerOf({ placement: back, body: BODY })), 'signature');
  assert.equal(refusalOf(offerOf({ placement: { digest: sha256(Buffer.from('x')) } })), 'signature');
  const first = { previous: null, previousMode: null };
  assert.equal(refusalOf(offerOf({ manifest: first, placement: back, body: BEFORE })), 'signature');
});

test('a hub lowers the mode and never raises it', () => {
  assert.equal(refusalOf(offerOf({ placement: { mode: 'monitor' } })), undefined);
  assert.equal(refusalOf(offerOf({ manifest: { mode: 'monitor' } })), 'signature');
  const back = { digest: MANIFEST.previous! };
  const soft = { previousMode: 'monitor' as const };
  assert.equal(refusalOf(offerOf({ manifest: soft, placement: back, body: BEFORE })), 'signature');
  assert.equal(
    refusalOf(offerOf({ manifest: { mode: 'monitor' }, placement: back, body: BEFORE })),
    undefined,
  );
});

test('an offer for another host or another workload is refused', () => {
  assert.equal(refusalOf(offerOf({ placement: { host: 'h2' } })), 'host');
  assert.equal(refusalOf(offerOf({ placement: { workload: 'db' } })), 'workload');
  const moved = offerOf({ manifest: { workload: 'db' }, placement: { workload: 'db' } });
  assert.equal(refusalOf(moved), 'workload');
  assert.equal(refusalOf(moved, { workload: undefined, highest: undefined }), undefined);
});

test('past its time an offer is new to nobody, but the release that is here can still go back', () => {
  const now = Date.parse(MANIFEST.notAfter) + 1;
  assert.equal(refusalOf(offerOf(), { now }), 'expired');
  const known = { revision: 7, manifest: sha256(manifestBytes(MANIFEST)) };
  const back = offerOf({ placement: { digest: MANIFEST.previous! }, body: BEFORE });
  assert.equal(refusalOf(back, { now, highest: known }), undefined);
});

test('the text comes from the host where it is stored there, and is checked all the same', () => {
  const without = offerOf({ body: Buffer.alloc(0) });
  assert.equal(refusalOf(without), 'storage');
  assert.equal(refusalOf(without, { stored: () => BODY }), undefined);
  assert.equal(refusalOf(without, { stored: () => BEFORE }), 'signature');
  assert.equal(refusalOf(offerOf({ body: BODY.subarray(1) })), 'signature');
});

test('sizes and features beyond this agent are refused', () => {
  assert.equal(refusalOf(offerOf(), { policyBytes: 10 }), 'limits');
  assert.equal(refusalOf(offerOf({ manifest: { plan: 'x'.repeat(70_000) } })), 'limits');
  assert.equal(refusalOf(offerOf({ placement: { time: `2026-${'1'.repeat(5000)}Z` } })), 'limits');
  assert.equal(refusalOf(offerOf({ manifest: { features: ['user', 'later'] } })), 'feature');
  assert.equal(refusalOf(offerOf({ manifest: { format: 2 as 1 } })), 'feature');
  assert.equal(refusalOf(offerOf({ manifest: { extra: 1 } as Partial<Manifest> })), 'feature');
  assert.equal(refusalOf(offerOf({ manifest: { mode: 'constructor' as 'block' } })), 'feature');
});

test('only the one way of writing a manifest is read', () => {
  const text = manifestBytes(MANIFEST).toString();
  assert.deepEqual(readManifest(Buffer.from(text)), MANIFEST);
  for (const other of [` ${text}`, text.replace('"mode":"block"', '"mode":"monitor","mode":"block"')]) {
    assert.notEqual(other, text);
    assert.equal(readManifest(Buffer.from(other)), undefined);
  }
  assert.equal(readManifest(Buffer.from('['.repeat(60_000))), undefined);
  assert.equal(readManifest(Buffer.from([0xff, 0xfe])), undefined);
  fc.assert(
    fc.property(fc.jsonValue({ maxDepth: 5 }), (value) => {
      assert.deepEqual(JSON.parse(canonicalJson(value)), JSON.parse(JSON.stringify(value)));
    }),
  );
});

test('whatever is changed in signed bytes, nothing is taken', () => {
  const offer = offerOf({ authors: [ALICE, BOB] });
  const parts = ['manifest', 'placement', 'placementSignature', 'body'] as const;
  fc.assert(
    fc.property(
      fc.constantFrom(...parts),
      fc.nat(),
      fc.integer({ min: 1, max: 255 }),
      fc.constantFrom('flip', 'cut', 'add'),
      (part, at, bits, how) => {
        const bytes = Buffer.from(offer[part]);
        const place = at % bytes.length;
        bytes[place]! ^= how === 'flip' ? bits : 0;
        const changed = how === 'cut' ? bytes.subarray(0, place) : bytes;
        const longer = how === 'add' ? Buffer.concat([bytes, Buffer.from([bits])]) : changed;
        assert.notEqual(refusalOf({ ...offer, [part]: longer }), undefined);
      },
    ),
    { numRuns: 500 },
  );
});

test('a stolen hub grants nothing that authors have not signed', () => {
  const digest = fc.constantFrom(MANIFEST.digest, MANIFEST.previous!, sha256(Buffer.from('all')));
  const text = fc.constantFrom(BODY, BEFORE, Buffer.from('all'));
  const field = fc.constantFrom(undefined, null, 1, 'web', 'db', 'h1', 7, 9, 'block', [], {});
  fc.assert(
    fc.property(
      digest,
      text,
      fc.dictionary(fc.constantFrom(...Object.keys(PLACEMENT)), field),
      fc.constantFrom<'monitor' | 'block'>('monitor', 'block'),
      (named, body, change, allowed) => {
        const offer = offerOf({
          manifest: { mode: allowed, previousMode: 'monitor' },
          placement: { digest: named, ...(change as Partial<Placement>) },
          body,
        });
        const verdict = verifyOffer(offer, CONTEXT);
        if ('refused' in verdict) return;
        const { placement } = verdict;
        assert.equal(sha256(verdict.body), placement.digest);
        assert.ok([MANIFEST.digest, MANIFEST.previous].includes(placement.digest));
        const limit = placement.digest === MANIFEST.digest ? allowed : 'monitor';
        assert.ok(placement.mode === 'monitor' || limit === 'block');
        assert.equal(placement.host, 'h1');
        assert.equal(placement.workload, 'web');
      },
    ),
    { numRuns: 500 },
  );
});

test('random bytes are refused and never throw', () => {
  const bytes = fc.uint8Array({ maxLength: 300 }).map((array) => Buffer.from(array));
  const signature = fc.record({ key: fc.string(), signature: bytes });
  const offer = fc.record({
    nonce: fc.string(),
    manifest: bytes,
    manifestSignatures: fc.array(signature),
    placement: bytes,
    placementSignature: bytes,
    body: bytes,
  });
  fc.assert(fc.property(offer, bytes, (each, key) => refusalOf(each, { authorKeys: [key] }) !== undefined));
  fc.assert(
    fc.property(
      offer,
      bytes,
      (each, hubKey) => refusalOf({ ...offerOf(), ...each }, { hubKey }) !== undefined,
    ),
  );
});
