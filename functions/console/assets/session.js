// The key that this tab works with, and how a tab that is opened from it gets the same one.

const KEY = 'api-key';
/** How long after a person opened a link in a tab of its own that tab may ask for the key. */
const OFFERED = 60_000;
/** How long a tab waits for an answer. */
const PATIENCE = 200;

const tabs = new BroadcastChannel('session');
let offeredUntil = 0;

/** Kept until its user signs out; a browser that opens a closed tab again brings it back. */
export const session = {
  get key() {
    return sessionStorage.getItem(KEY);
  },
  start(key) {
    sessionStorage.setItem(KEY, key);
  },
  /** Ends it in this tab. */
  end() {
    sessionStorage.removeItem(KEY);
  },
  /** Ends it in every tab that has the same key. */
  signOut() {
    tabs.postMessage({ ended: this.key });
    this.end();
  },
  /** Takes the key over from the tab that this one was opened from, if it was. */
  async join() {
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

// With Ctrl, the middle button or the menu, a link of the console opens in a tab of its own.
for (const type of ['click', 'auxclick', 'contextmenu']) {
  window.addEventListener(type, (event) => {
    const isPlain = type === 'click' && !(event.ctrlKey || event.metaKey || event.shiftKey);
    if (!isPlain && event.target.closest?.('a[href^="#"]')) offeredUntil = Date.now() + OFFERED;
  });
}
