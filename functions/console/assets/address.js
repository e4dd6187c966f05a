// The parameters that a page keeps in its address, after the ? in the part after the #. So the page can be reloaded,
// shared by its address, and left with the back button.

export function parameters() {
  return new URLSearchParams(location.hash.split('?')[1]);
}

/** Sets parameters, or removes those without a value. Does not reload the page; adds a step to the browser's history. */
export function setParameters(changes) {
  const all = parameters();
  for (const [name, value] of Object.entries(changes)) {
    if (value) all.set(name, value);
    else all.delete(name);
  }
  const [page] = location.hash.split('?');
  history.pushState(null, '', all.size > 0 ? `${page}?${all}` : page);
}
