// The console's language, and its texts in this language. English is the source: an English text stands in the code
// where it is used, and is the key of its translations. Each other language has a file in texts/. This module imports
// nothing and needs no DOM.

/** The languages, each by its own name. */
const LANGUAGES = { en: 'English', de: 'Deutsch' };
/** The file of each language except English. */
const FILES = { de: 'console/de.js' };
/** Where the browser keeps the user's choice. */
const CHOICE = 'language';

const page = globalThis.document;
const storage = page && keptStorage();
/** The language that the address asks for: the page around the console's frame chooses it. */
const asked = page && known(new URLSearchParams(location.search).get('lang'));
const wanted = asked ?? known(storage?.getItem(CHOICE)) ?? preferred() ?? 'en';
const file = await load(wanted);

/** The console's language. English if the file of another language cannot be loaded. */
export const LANGUAGE = file ? wanted : 'en';
/** The same with the user's region, for numbers and times. */
const LOCALE = tags().find((tag) => primary(tag) === LANGUAGE) ?? LANGUAGE;
if (page) page.documentElement.lang = LANGUAGE;

/** By template: its translation, as texts at the even places, and the numbers of values at the odd ones. */
const forms = new Map();

/**
 * A text in the console's language: t`It missed ${count} events`. A long one may go on in the next line. A text is a
 * whole sentence or a whole label, because other languages have another order of words.
 */
export function t(strings, ...values) {
  return parts(strings, ...values).join('');
}

/** The same as a list of texts and values, for the children of an element: the values may be elements. */
export function parts(strings, ...values) {
  if (!forms.has(strings)) {
    const key = keyOf(strings);
    forms.set(strings, placesOf(file?.TEXTS[key] ?? key));
  }
  return filled(forms.get(strings), values).filter((part) => part !== '');
}

/** Returns a text of the service in the console's language, or `null` if the language has no such text. */
export const fromService = LANGUAGE === 'en' ? (text) => text : translator(file.SERVICE);

/** Translates whole texts, and what stands at their places. Of several texts that fit, the longest counts. */
export function translator(texts) {
  const patterns = Object.entries(texts)
    .sort(([one], [other]) => other.length - one.length)
    .map(([text, translation]) => [patternOf(text), placesOf(translation)]);
  return translate;

  function translate(text) {
    for (const [pattern, form] of patterns) {
      const found = pattern.exec(text);
      if (found) return filled(form, found.slice(1).map((part) => translate(part) ?? part)).join('');
    }
    return null;
  }
}

/** A number as the user's region writes it. */
export function number(value, style) {
  return value.toLocaleString(LOCALE, style);
}

/** A formatter of times, for the user's region. */
export function timeFormat(style) {
  return new Intl.DateTimeFormat(LOCALE, style);
}

/** The languages to offer, each with its name. None where the address decides, or a choice cannot be kept. */
export function otherLanguages() {
  if (asked || !storage) return [];
  return Object.entries(LANGUAGES).filter(([language]) => language !== LANGUAGE);
}

/** Keeps the user's choice, and loads the page again. */
export function chooseLanguage(language) {
  storage.setItem(CHOICE, language);
  location.reload();
}

/** The browser's storage; `null` if it refuses it, as in some frames of other sites. */
function keptStorage() {
  try {
    globalThis.localStorage.getItem(CHOICE);
    return globalThis.localStorage;
  } catch {
    return null;
  }
}

/** The first of the browser's languages that the console has. */
function preferred() {
  return tags().map((tag) => known(primary(tag))).find((language) => language);
}

function tags() {
  return page ? navigator.languages : [];
}

function primary(tag) {
  return tag.split('-')[0].toLowerCase();
}

function known(language) {
  return Object.keys(LANGUAGES).find((own) => own === language);
}

/** A language's texts. `null` if they cannot be loaded. */
async function load(language) {
  if (!FILES[language]) return { TEXTS: {}, SERVICE: {} };
  try {
    return await import(new URL(FILES[language], page.baseURI));
  } catch {
    return null;
  }
}

/** A template as the files have it: with the numbers of its places, in one line. */
function keyOf(strings) {
  return strings.map((text, at) => (at === 0 ? '' : `{${at - 1}}`) + text.replace(/\s*\n\s*/g, ' ')).join('');
}

function placesOf(text) {
  return text.split(/\{(\d+)\}/);
}

function filled(form, values) {
  return form.map((part, at) => (at % 2 === 0 ? part : values[part]));
}

/** A pattern that finds the values at the places of a text, which are numbered in their order. */
function patternOf(text) {
  const fixed = placesOf(text).filter((_, at) => at % 2 === 0);
  return new RegExp(`^${fixed.map((part) => part.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')).join('([^]*?)')}$`);
}
