/**
 * Text that PostgreSQL can store: without NUL, and well formed. What a peer sends is never a reason for a statement to
 * fail, which many hosts share.
 */
export function storable(text: string): string {
  return Buffer.from(text).toString().replaceAll('\0', '\u{fffd}');
}

/** An integer that fits its column and stays exact here. */
export function storableNumber(value: number): number {
  const most = Number.MAX_SAFE_INTEGER;
  return Number.isNaN(value) ? 0 : Math.trunc(Math.min(Math.max(value, -most), most));
}
