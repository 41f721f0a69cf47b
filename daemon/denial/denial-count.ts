/** How many attempts were denied, and how many would have been in block mode; denials without a line included. */
export class DenialCount {
  denied = 0;
  wouldBeDenied = 0;

  add({ blocked, count }: { blocked: boolean; count: number }): void {
    if (blocked) this.denied += count;
    else this.wouldBeDenied += count;
  }
}
