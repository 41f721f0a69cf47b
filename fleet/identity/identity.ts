import 'reflect-metadata';
import { SubjectAlternativeNameExtension, X509Certificate } from '@peculiar/x509';
import { X509Certificate as NodeCertificate } from 'node:crypto';
import { digestOf } from './key.ts';

/** The domain of the URIs in certificates, where a fleet has no other. */
export const DOMAIN = 'bouheki';

export type Role = 'host' | 'operator';

/** Who has a certificate. */
export interface CertificateIdentity {
  role: Role;
  /** Id of a host, name of an operator. */
  id: string;
  /** Hexadecimal, in small letters. */
  serial: string;
  /** SHA-256 of the public key (SPKI DER), hexadecimal. */
  keyHash: string;
  /** Milliseconds since the epoch. */
  begins: number;
  ends: number;
}

/** What stands in the certificate of a host or an operator. */
export function uriOf(domain: string, role: Role, id: string): string {
  return `spiffe://${domain}/${role}/${id}`;
}

/** A name of an operator, and the id of a host: what needs no quotation anywhere. */
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$/;

/** Whether an operator, or a domain, can be called so. */
export function isName(text: string): boolean {
  return NAME.test(text);
}

/**
 * Reads who has a certificate (DER), which has been verified. Undefined where it is of another domain, of none of the
 * roles, or of several.
 */
export function identityOf(certificate: Uint8Array, domain: string): CertificateIdentity | undefined {
  const read = new X509Certificate(certificate);
  const names = read.getExtension(SubjectAlternativeNameExtension)?.names.items ?? [];
  const uris = names.filter(({ type }) => type === 'url').map(({ value }) => value);
  const [uri] = uris;
  if (uri === undefined || uris.length > 1) return undefined;
  const [scheme, empty, itsDomain, role, id, ...more] = uri.split('/');
  if (scheme !== 'spiffe:' || empty !== '' || itsDomain !== domain || more.length > 0) return undefined;
  if ((role !== 'host' && role !== 'operator') || id === undefined || !NAME.test(id)) return undefined;
  return {
    role,
    id,
    serial: read.serialNumber.toLowerCase(),
    keyHash: digestOf(Buffer.from(read.publicKey.rawData)),
    begins: read.notBefore.getTime(),
    ends: read.notAfter.getTime(),
  };
}

/** Certificates one after another in PEM, each as DER. */
export function certificatesIn(pem: string): Buffer[] {
  return Array.from(pem.matchAll(/-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g), ([text]) =>
    Buffer.from(new NodeCertificate(text).raw),
  );
}

/** Certificates (DER) as PEM, one after another. */
export function pemOf(certificates: readonly Uint8Array[]): string {
  return certificates.map((each) => new NodeCertificate(each).toString()).join('');
}
