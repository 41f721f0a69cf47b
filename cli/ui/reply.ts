import { BouhekiError } from '../../error/error.ts';
import { contentPolicy } from '../page/html/document.ts';
import { printServedPage, SERVED_SCRIPT, type Served } from '../page/html/page.ts';
import type { PageData } from '../page/html/page-data.ts';
import { printReviewPage, type ReviewPage } from '../page/html/review-page.ts';
import { REVIEW_SCRIPT } from '../page/html/review-script.ts';
import { printTroublePage } from '../page/html/trouble-page.ts';
import type { Reply } from './door-message.ts';

export function pageReply(data: PageData, served: Served): Reply {
  return { status: 200, page: printServedPage(data, served), contentPolicy: contentPolicy(SERVED_SCRIPT) };
}

/** `status`: that of HTTP. */
export function reviewReply(page: ReviewPage, status = 200): Reply {
  return { status, page: printReviewPage(page), contentPolicy: contentPolicy(REVIEW_SCRIPT) };
}

/** What a browser is shown where there can be no page. */
export function failedReply(error: unknown): Reply {
  const known = error instanceof BouhekiError;
  const page = printTroublePage(
    known ? error.message : 'It failed, and the terminal says how',
    known ? error.remedy : undefined,
  );
  return { status: 500, page, contentPolicy: contentPolicy('') };
}

/** What is not for this page. */
export function refusedReply(message: string, remedy: string): Reply {
  return { status: 403, page: printTroublePage(message, remedy), contentPolicy: contentPolicy('') };
}
