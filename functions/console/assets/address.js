// What a page remembers in the address, behind the ? in the part behind the #: so that it can be loaded again, sent to a
// colleague, and gone back from.

export function parameters() {
  return new URLSearchParams(location.hash.split('?')[1]);
}

/** Sets parameters, or removes those without a value. The page goes on as it is; what was before is one step back. */
export function setParameters(changes) {
  const all = parameters();
  for (const [name, value] of Object.entries(changes)) {
    if (value) all.set(name, value);
    else all.delete(name);
  }
  const [page] = location.hash.split('?');
  history.pushState(null, '', all.size > 0 ? `${page}?${all}` : page);
}
