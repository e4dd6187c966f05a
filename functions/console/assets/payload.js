// The payload of a delivery, formatted and as it was sent.

import { copyButton, fill, h, safely } from './dom.js';
import { number, t } from './text.js';

/** The payload as a section. `body` has the bytes that were signed. `null` for a payload that is not kept any more. */
export function payloadSection(payload, body) {
  if (payload === null)
    return h(
      'section',
      { class: 'card' },
      h('h2', {}, t`Payload`),
      h('p', { class: 'none' }, t`It was erased, or its time in the history is over.`),
    );
  const view = h('pre', { tabindex: 0, class: 'payload', 'aria-label': t`Payload` });
  const readable = () => fill(view, safely(JSON.stringify(payload, null, 2)));
  const asSent = () => fill(view, safely(body));
  const choice = (text, show) =>
    h(
      'label',
      {},
      h('input', { type: 'radio', name: 'form', checked: show === readable, onchange: show }),
      h('span', {}, text),
    );
  const size = new TextEncoder().encode(body).length;
  readable();
  return h(
    'section',
    { class: 'card' },
    h(
      'div',
      { class: 'head' },
      h('h2', {}, t`Payload`),
      h(
        'div',
        { class: 'inline' },
        h(
          'fieldset',
          { class: 'segments' },
          h('legend', { class: 'sr-only' }, t`Form`),
          choice(t`Readable`, readable),
          choice(t`As sent`, asSent),
        ),
        copyButton(body, t`Copy as sent`),
      ),
    ),
    view,
    h(
      'p',
      { class: 'hint after' },
      t`${number(size)} bytes. Signatures are over the payload as sent, byte for byte.`,
    ),
  );
}
