// The buttons that choose another language. Each is in the language that it leads to.

import { h } from './dom.js';
import { chooseLanguage, otherLanguages } from './text.js';

export function languageSwitch() {
  return otherLanguages().map(([language, name]) =>
    h('button', { type: 'button', class: 'small', lang: language, onclick: () => chooseLanguage(language) }, name),
  );
}
