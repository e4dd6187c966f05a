// The console's name, which the operator chooses, in the title of the page.

/** The name, as text. */
export const NAME = document.querySelector('meta[name=application-name]').content;

/** Sets the title of the tab: the page's, and the console's name. */
export function setTitle(page) {
  document.title = page ? `${page} · ${NAME}` : NAME;
}
