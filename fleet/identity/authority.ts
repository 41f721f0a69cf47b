import 'reflect-metadata';
import { createPrivateKey, randomBytes, X509Certificate as NodeCertificate } from 'node:crypto';
import { isIP } from 'node:net';
import {
  AuthorityKeyIdentifierExtension,
  BasicConstraintsExtension,
  ExtendedKeyUsage,
  ExtendedKeyUsageExtension,
  type Extension,
  type JsonGeneralName,
  KeyUsageFlags,
  KeyUsagesExtension,
  SubjectAlternativeNameExtension,
  SubjectKeyIdentifierExtension,
  X509Certificate,
  X509CertificateGenerator,
} from '@peculiar/x509';
import { BouhekiError } from '../../error/error.ts';
import { newKey, signerOf } from './key.ts';

/** Milliseconds. */
const MINUTE = 60_000;
export const DAY = 24 * 60 * MINUTE;
/** Clocks differ: a certificate is valid from a moment before it was made. */
const EARLY = 5 * MINUTE;
const AUTHORITY_LIFE = 3650 * DAY;
/** Of a host's certificate. */
export const HOST_LIFE = 30 * DAY;
/** Of a hub's, which has its authority beside it. */
const HUB_LIFE = 397 * DAY;

/** What signs certificates. PEM. */
export interface Authority {
  certificate: string;
  key: string;
}

/** A certificate, and when it ends: milliseconds since the epoch. */
export interface Issued {
  /** DER. */
  certificate: Buffer;
  /** Hexadecimal. */
  serial: string;
  ends: number;
}

/** A new authority, which signs leaves only. */
export async function makeAuthority(name: string, now: number): Promise<Authority> {
  const key = newKey();
  const { keys, signing } = await signerOf(key);
  const certificate = await X509CertificateGenerator.createSelfSigned({
    serialNumber: newSerial(),
    name: [{ CN: [name] }],
    notBefore: new Date(now - EARLY),
    notAfter: new Date(now + AUTHORITY_LIFE),
    signingAlgorithm: signing,
    keys,
    extensions: [
      new BasicConstraintsExtension(true, 0, true),
      new KeyUsagesExtension(KeyUsageFlags.keyCertSign | KeyUsageFlags.cRLSign, true),
      await SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  });
  return { certificate: `${certificate.toString('pem').trimEnd()}\n`, key };
}

/** Throws BouhekiError `fleet` unless a certificate may sign others, and the key is its own. */
export function checkAuthority({ certificate, key }: Authority, now: number): void {
  const read = readCertificate(certificate);
  const remedy = 'name the certificate of an authority that is valid now, and its own key';
  const keys = new NodeCertificate(certificate);
  if (!keys.ca) throw new BouhekiError('fleet', 'this certificate may sign no others', { remedy });
  if (read.notAfter.getTime() <= now) {
    throw new BouhekiError('fleet', 'the certificate of the authority has expired', { remedy });
  }
  if (!matches(keys, key)) {
    throw new BouhekiError('fleet', 'the key is not that of the certificate of the authority', { remedy });
  }
}

function matches(certificate: NodeCertificate, key: string): boolean {
  try {
    return certificate.checkPrivateKey(createPrivateKey(key));
  } catch {
    return false;
  }
}

/** The certificate of a hub: for servers, with the names and addresses by which agents reach it. */
export async function issueHub(
  authority: Authority,
  names: readonly string[],
  publicKey: Buffer,
  now: number,
): Promise<Issued> {
  const name = names.map((each): JsonGeneralName => ({ type: isIP(each) === 0 ? 'dns' : 'ip', value: each }));
  return await issue(authority, { name, publicKey, life: HUB_LIFE, use: ExtendedKeyUsage.serverAuth }, now);
}

/** The certificate of a host or an operator: for clients, with its URI. `life` in milliseconds. */
export async function issueClient(
  authority: Authority,
  { life, publicKey, uri }: { uri: string; publicKey: Buffer; life: number },
  now: number,
): Promise<Issued> {
  const name: JsonGeneralName[] = [{ type: 'url', value: uri }];
  return await issue(authority, { name, publicKey, life, use: ExtendedKeyUsage.clientAuth }, now);
}

interface Leaf {
  name: JsonGeneralName[];
  publicKey: Buffer;
  life: number;
  use: ExtendedKeyUsage;
}

async function issue(
  authority: Authority,
  { life, name, publicKey, use }: Leaf,
  now: number,
): Promise<Issued> {
  const issuer = readCertificate(authority.certificate);
  const { keys, signing } = await signerOf(authority.key);
  // Never longer than what has signed it.
  const ends = Math.floor(Math.min(now + life, issuer.notAfter.getTime()) / 1000) * 1000;
  const extensions: Extension[] = [
    new BasicConstraintsExtension(false, undefined, true),
    new KeyUsagesExtension(KeyUsageFlags.digitalSignature, true),
    new ExtendedKeyUsageExtension([use]),
    // Critical, because the subject is empty.
    new SubjectAlternativeNameExtension(name, true),
    await AuthorityKeyIdentifierExtension.create(issuer.publicKey),
  ];
  const serial = newSerial();
  const certificate = await X509CertificateGenerator.create({
    serialNumber: serial,
    issuer: issuer.subjectName,
    notBefore: new Date(now - EARLY),
    notAfter: new Date(ends),
    signingAlgorithm: signing,
    publicKey,
    signingKey: keys.privateKey,
    extensions,
  });
  return { certificate: Buffer.from(certificate.rawData), serial, ends };
}

/** 127 random bits: positive, and no two alike. */
function newSerial(): string {
  const bytes = randomBytes(16);
  // The first bit is the sign, and a first byte of 0 would be left out.
  bytes[0] = (bytes[0]! & 0x7f) | 0x40;
  return bytes.toString('hex');
}

function readCertificate(pem: string): X509Certificate {
  return new X509Certificate(pem);
}
