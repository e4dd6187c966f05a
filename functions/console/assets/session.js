// This tab's API key. A tab that is opened from this one gets the same key.

const KEY = 'api-key';
/** For how long a new tab may ask for the key after the user opened a link in it. */
const OFFERED = 60_000;
/** How long a new tab waits for another tab to answer. */
const PATIENCE = 200;

const storage = tabStorage();
const tabs = channel();
let offeredUntil = 0;

/** Lasts until the user signs out. A browser that reopens a closed tab restores it, unless it refuses storage. */
export const session = {
  get key() {
    return storage.getItem(KEY);
  },
  start(key) {
    storage.setItem(KEY, key);
  },
  /** Ends the session in this tab. */
  end() {
    storage.removeItem(KEY);
  },
  /** Ends the session in every tab that has the same key. */
  signOut() {
    tabs.postMessage({ ended: this.key });
    this.end();
  },
  /** Takes the key of a link (#key=sk-…), and removes it from the address bar and the history. */
  takeLink() {
    const linked = /^#key=(sk-[\x21-\x7e]+)$/.exec(location.hash)?.[1];
    if (!linked) return;
    history.replaceState(null, '', location.pathname + location.search);
    try {
      this.start(decodeURIComponent(linked));
    } catch {
      this.start(linked);
    }
  },
  /** Gets the key from a link, or from the tab that this one was opened from. */
  async join() {
    this.takeLink();
    if (this.key) return;
    const { promise, resolve } = Promise.withResolvers();
    tabs.addEventListener('message', ({ data }) => {
      if (data.offered && !this.key) this.start(data.offered);
      if (data.offered) resolve();
    });
    tabs.postMessage({ asked: true });
    setTimeout(resolve, PATIENCE);
    await promise;
  },
};

/** The tab's storage. A browser may refuse it to a frame of another site: then a map, which ends with the page. */
function tabStorage() {
  try {
    const stored = window.sessionStorage;
    stored.getItem(KEY);
    return stored;
  } catch {
    const values = new Map();
    return {
      getItem: (name) => values.get(name) ?? null,
      setItem: (name, value) => values.set(name, value),
      removeItem: (name) => values.delete(name),
    };
  }
}

/** The way to the other tabs. A browser that refuses storage may refuse this too: then nobody hears or answers. */
function channel() {
  try {
    return new BroadcastChannel('session');
  } catch {
    return Object.assign(new EventTarget(), { postMessage: () => {} });
  }
}

tabs.addEventListener('message', ({ data }) => {
  if (data.asked && session.key && Date.now() < offeredUntil) {
    offeredUntil = 0;
    tabs.postMessage({ offered: session.key });
  }
  if (data.ended && data.ended === session.key) {
    session.end();
    window.dispatchEvent(new Event('signed-out'));
  }
});

// With Ctrl, the middle button or the menu, a link of the console opens in a new tab.
for (const type of ['click', 'auxclick', 'contextmenu']) {
  window.addEventListener(type, (event) => {
    const isPlain = type === 'click' && !(event.ctrlKey || event.metaKey || event.shiftKey);
    if (!isPlain && event.target.closest?.('a[href^="#"]')) offeredUntil = Date.now() + OFFERED;
  });
}
