// Links to the API's page, which is the only one that the console leads to besides its own.

import { h } from './dom.js';
import { t } from './text.js';

/** In a frame a link opens a new tab: the frame has no back button. */
const IN_A_FRAME = { target: '_blank', rel: 'noopener', title: t`Opens in a new tab` };

/** A link to the API's page, or to an operation on it, in the theme that the console's own address asks for. */
export function docsLink(text, operation) {
  const href = `docs${location.search}${operation ? `#${operation}` : ''}`;
  return h('a', { href, ...(window.parent === window ? {} : IN_A_FRAME) }, text);
}
