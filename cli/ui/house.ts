import { liveSection } from '../page/html/live-section.ts';
import type { PageData } from '../page/html/page-data.ts';
import { type PageOptions, readPage } from '../page/read-page.ts';
import { warnAtOnce } from '../option/policy-reader.ts';
import type { Reply, Wish } from './door-message.ts';
import { pageReply, refusedReply } from './reply.ts';
import type { ReviewHouse } from './review-house.ts';

/** For how long a page is as new as one that is read again, in milliseconds and in times of what reading takes. */
const FRESH = 2000;
const TIMES = 5;

/** What is behind the door: it answers what browsers that were let in may ask. */
export class House {
  readonly #file: string | undefined;
  readonly #options: PageOptions;
  readonly #review: ReviewHouse | undefined;
  #data!: PageData;
  /** Until when it is as new as another. */
  #until = 0;
  /** One answer at a time: what is asked of a review depends on what was answered. */
  #last: Promise<unknown> = Promise.resolve();

  private constructor(file: string | undefined, options: PageOptions, review: ReviewHouse | undefined) {
    this.#file = file;
    this.#options = options;
    this.#review = review;
  }

  /** Reads the record and the policy. Throws as `readPage`. */
  static async open(
    file: string | undefined,
    options: PageOptions,
    review: ReviewHouse | undefined,
  ): Promise<House> {
    const house = new House(file, options, review);
    await house.#read(warnAtOnce);
    return house;
  }

  async answer(wish: Wish): Promise<Reply> {
    const answer = this.#last.then(() => this.#answer(wish));
    this.#last = answer.catch(() => undefined);
    return await answer;
  }

  async #answer(wish: Wish): Promise<Reply> {
    if ('page' in wish) {
      // It was warned of at the start.
      if (performance.now() > this.#until) await this.#read(() => {});
      const { db } = this.#options;
      return pageReply(this.#data, { live: liveSection(db), review: this.#review !== undefined });
    }
    if (this.#review === undefined) {
      return refusedReply(
        'Nothing can be decided here',
        'Start it with a policy and --edit: bouheki ui POLICY --edit',
      );
    }
    if ('review' in wish) return await this.#review.show(wish.review);
    // The policy of the page may be another one then.
    this.#until = 0;
    return await this.#review.act(wish.act);
  }

  async #read(warn: (text: string) => void): Promise<void> {
    const began = performance.now();
    this.#data = await readPage(this.#file, this.#options, warn);
    const now = performance.now();
    this.#until = now + Math.max(FRESH, TIMES * (now - began));
  }
}
