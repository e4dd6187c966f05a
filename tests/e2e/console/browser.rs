//! A headless Chromium for one test, which finds elements as a person does: by their text.
//!
//! It speaks the W3C's `WebDriver` protocol to chromedriver: JSON over HTTP, of which a dozen calls are needed here.
//! The crates for it would cost more than they save: a second version of ten crates, or features of `serde_json` that
//! would change what the service's own tests run with.

use std::{
    env, fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use harness::{http_client, skipped};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::{STACK, folder_of_this_run};

/// How long a test waits for the page, on a machine that is busy with the other tests.
const PATIENCE: Duration = Duration::from_secs(30);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Two browsers at a time: they are the largest programs here, and the tests share two cores with the whole stack. One
/// alone leaves the cores idle while it waits for the service.
static TURN: Semaphore = Semaphore::const_new(2);

/// A browser. It ends when this is dropped.
pub(crate) struct Browser {
    client: Client,
    session: String,
    console: String,
    driver: Child,
    profile: PathBuf,
    _turn: SemaphorePermit<'static>,
}

impl Browser {
    /// Starts a browser on the console's first page. Returns `None` if Chromium is not installed, and prints that to
    /// the terminal.
    pub(crate) async fn start() -> Option<Self> {
        Self::start_at(&STACK.api_url).await
    }

    /// The same, for another stack.
    pub(crate) async fn start_at(api_url: &str) -> Option<Self> {
        let (Some(chromium), Some(chromedriver)) = (find("chromium"), find("chromedriver")) else {
            skipped("the console, since there is no chromium and chromedriver");
            return None;
        };
        let turn = TURN.acquire().await.expect("nobody closes it");
        let (driver, port) = (0..3).find_map(|_| drive(&chromedriver)).expect("chromedriver starts");
        let profile = folder_of_this_run().join(format!("chromium-{port}"));
        let capabilities = json!({
            "goog:loggingPrefs": { "browser": "ALL" },
            // The tests read English, whatever the machine's language is.
            "goog:chromeOptions": { "prefs": { "intl.accept_languages": "en-US,en" }, "binary": chromium, "args": [
                "--headless", "--lang=en-US", "--disable-gpu", "--no-first-run",
                // Tests run as root in containers, where the sandbox cannot start. The browser visits only this
                // machine.
                "--no-sandbox", "--disable-dev-shm-usage",
                // Without these, it would look for hosts that it cannot reach.
                "--disable-quic", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                // The browser ends with the driver, however the driver ends.
                "--remote-debugging-pipe",
                format!("--user-data-dir={}", profile.display()),
            ] },
        });
        let client = http_client();
        let order = json!({ "capabilities": { "alwaysMatch": capabilities } });
        let sessions = format!("http://127.0.0.1:{port}/session");
        let started = call(&client, Method::POST, &sessions, Some(order)).await.unwrap();
        let session = format!("{sessions}/{}", started["sessionId"].as_str().unwrap());
        let console = format!("{api_url}/console");
        let browser = Self { client, session, console, driver, profile, _turn: turn };
        browser.go("").await;
        Some(browser)
    }

    /// Loads the console again, at the page behind the `#`.
    pub(crate) async fn go(&self, page: &str) {
        // A browser loads nothing if only the part behind the `#` differs.
        for url in ["about:blank", &format!("{}{page}", self.console)] {
            self.post("url", json!({ "url": url })).await.unwrap();
        }
    }

    /// Loads any page.
    pub(crate) async fn visit(&self, url: &str) {
        self.post("url", json!({ "url": url })).await.unwrap();
    }

    /// Everything from now on happens in the page's first frame; with `false`, in the page itself again.
    pub(crate) async fn turn_to_frame(&self, is_frame: bool) {
        let frame = if is_frame { json!(0) } else { json!(null) };
        self.post("frame", json!({ "id": frame })).await.unwrap();
    }

    /// Refuses storage to every page that is loaded from now on, as browsers do in frames of other sites if their user
    /// wants it.
    pub(crate) async fn refuse_storage(&self) {
        let refuse = "const refuse = () => { throw new DOMException('refused', 'SecurityError'); };
            Object.defineProperty(window, 'sessionStorage', { get: refuse });
            Object.defineProperty(window, 'localStorage', { get: refuse });
            window.BroadcastChannel = refuse;";
        self.devtools("Page.addScriptToEvaluateOnNewDocument", json!({ "source": refuse })).await;
    }

    /// Waits until this text is on the page. A dialog hides the text behind it.
    pub(crate) async fn read(&self, text: &str) {
        self.read_within(text, PATIENCE).await;
    }

    /// The same, for text that takes longer.
    pub(crate) async fn read_within(&self, text: &str, patience: Duration) {
        let start = Instant::now();
        while !self.text().await.contains(text) {
            assert!(start.elapsed() < patience, "{text:?} does not appear; the page has:\n{}", self.text().await);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// The text of the page, or of the dialog in front of it.
    pub(crate) async fn text(&self) -> String {
        let text = self.script("return (document.querySelector('dialog') ?? document.body).innerText").await;
        text.as_str().unwrap_or_default().to_owned()
    }

    /// Clicks the button, link or label with this text. If there are several, clicks the last one that accepts it.
    pub(crate) async fn click(&self, text: &str) {
        let path = format!(
            "//*[self::button or self::a or self::label or self::summary][normalize-space()='{text}'][not(@disabled or @aria-disabled)]"
        );
        let start = Instant::now();
        loop {
            for element in self.find(&path).await.iter().rev() {
                // Meanwhile the page may have redrawn it, folded it away, or put a dialog in front of it.
                if self.post(&format!("{element}/click"), json!({})).await.is_ok() {
                    return;
                }
            }
            assert!(start.elapsed() < PATIENCE, "{text:?} cannot be clicked; the page has:\n{}", self.text().await);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Replaces the text of the field with this label.
    pub(crate) async fn write(&self, label: &str, text: &str) {
        let path = format!("//*[@id=//label[normalize-space()='{label}']/@for]");
        let start = Instant::now();
        loop {
            if let Some(field) = self.find(&path).await.last() {
                self.post(&format!("{field}/clear"), json!({})).await.unwrap();
                self.post(&format!("{field}/value"), json!({ "text": text })).await.unwrap();
                return;
            }
            assert!(start.elapsed() < PATIENCE, "there is no field {label:?}; the page has:\n{}", self.text().await);
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Types on the keyboard into the focused element.
    pub(crate) async fn keys(&self, keys: &str) {
        self.post(&format!("{}/value", self.focused().await), json!({ "text": keys })).await.unwrap();
    }

    /// The text of the focused element.
    pub(crate) async fn focused_text(&self) -> String {
        let text = self.get(&format!("{}/text", self.focused().await)).await.unwrap();
        text.as_str().unwrap().to_owned()
    }

    /// Waits until the text of the focused element begins with this text.
    pub(crate) async fn focus_comes_to(&self, text: &str) {
        let script = format!("return document.activeElement.innerText.startsWith({})", json!(text));
        self.comes_to(&script, json!(true)).await;
    }

    /// Waits until a script returns this value.
    pub(crate) async fn comes_to(&self, script: &str, value: Value) {
        let start = Instant::now();
        loop {
            let now = self.script(script).await;
            if now == value {
                return;
            }
            assert!(
                start.elapsed() < PATIENCE,
                "{script:?} is {now} and not {value}; the page has:\n{}",
                self.text().await
            );
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Clicks a link with Ctrl held, switches to the tab that opens, and returns the handle of the previous tab.
    pub(crate) async fn open_in_a_tab(&self, text: &str) -> String {
        let before = self.tab().await;
        let path = format!("//a[normalize-space()='{text}']");
        let link = self.find(&path).await.pop().unwrap();
        let origin = json!({ "element-6066-11e4-a52e-4f735466cecf": link.trim_start_matches("element/") });
        let pause = json!({ "type": "pause" });
        let order = json!({ "actions": [
            { "type": "key", "id": "keyboard", "actions": [
                { "type": "keyDown", "value": "\u{e009}" }, pause, pause, pause, { "type": "keyUp", "value": "\u{e009}" } ] },
            { "type": "pointer", "id": "mouse", "actions": [
                pause, { "type": "pointerMove", "x": 0, "y": 0, "origin": origin },
                { "type": "pointerDown", "button": 0 }, { "type": "pointerUp", "button": 0 }, pause ] },
        ] });
        self.post("actions", order).await.unwrap();
        let start = Instant::now();
        loop {
            let tabs = self.get("window/handles").await.unwrap();
            if let Some(new) = tabs.as_array().unwrap().iter().find(|tab| **tab != before) {
                self.turn_to(new.as_str().unwrap()).await;
                return before;
            }
            assert!(start.elapsed() < PATIENCE, "no tab opens");
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Opens the console in a new tab as if its address had been typed, switches to it, and returns the handle of the
    /// previous tab.
    pub(crate) async fn new_tab(&self) -> String {
        let before = self.tab().await;
        let new = self.post("window/new", json!({ "type": "tab" })).await.unwrap();
        self.turn_to(new["handle"].as_str().unwrap()).await;
        self.go("").await;
        before
    }

    /// Switches to a tab.
    pub(crate) async fn turn_to(&self, tab: &str) {
        self.post("window", json!({ "handle": tab })).await.unwrap();
    }

    async fn tab(&self) -> String {
        self.get("window").await.unwrap().as_str().unwrap().to_owned()
    }

    /// Turns on forced colours, as a user's high-contrast theme does.
    pub(crate) async fn force_colours(&self) {
        let colours = json!({ "features": [{ "name": "forced-colors", "value": "active" }] });
        self.devtools("Emulation.setEmulatedMedia", colours).await;
    }

    /// Runs a script in the page, as the browser's developer tools would.
    pub(crate) async fn script(&self, script: &str) -> Value {
        self.post("execute/sync", json!({ "script": script, "args": [] })).await.unwrap()
    }

    /// Runs the body of an asynchronous function and returns its result; `given` is its argument.
    pub(crate) async fn script_with(&self, script: &str, given: Value) -> Value {
        let script = format!(
            "const [given, done] = arguments; (async () => {{ {script} }})().then(done, (error) => done(String(error)))"
        );
        self.post("execute/async", json!({ "script": script, "args": [given] })).await.unwrap()
    }

    /// Sets the window's width (below 600 it is a phone) and the light or dark colour scheme.
    pub(crate) async fn look(&self, width: u32, dark: bool) {
        let size = json!({ "width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600 });
        self.devtools("Emulation.setDeviceMetricsOverride", size).await;
        let scheme = if dark { "dark" } else { "light" };
        let light = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
        self.devtools("Emulation.setEmulatedMedia", light).await;
        // The page draws its charts again at the end of the frame in which their width changes.
        let frames = "await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))";
        self.script_with(frames, json!(null)).await;
    }

    /// Sets the time zone, by its name in the tz database.
    pub(crate) async fn be_in(&self, zone: &str) {
        self.devtools("Emulation.setTimezoneOverride", json!({ "timezoneId": zone })).await;
    }

    /// Sets the languages that the user prefers, separated by commas, for pages that are loaded from now on.
    pub(crate) async fn speak(&self, languages: &str) {
        let agent = self.script("return navigator.userAgent").await;
        let parameters = json!({ "userAgent": agent, "acceptLanguage": languages });
        self.devtools("Emulation.setUserAgentOverride", parameters).await;
    }

    /// Blocks all later requests for URLs of this pattern.
    pub(crate) async fn block(&self, pattern: &str) {
        self.devtools("Network.enable", json!({})).await;
        self.devtools("Network.setBlockedURLs", json!({ "urls": [pattern] })).await;
    }

    /// Saves a picture of the whole page in the folder that the environment variable `NANO_PICTURES` names, if it is
    /// set.
    pub(crate) async fn picture(&self, name: &str) {
        let Some(folder) = env::var_os("NANO_PICTURES") else { return };
        let picture = BASE64_STANDARD.decode(self.screenshot().await).unwrap();
        let name = name.replace(|character: char| !character.is_ascii_alphanumeric(), "-");
        fs::write(Path::new(&folder).join(format!("{name}.png")), picture).unwrap();
    }

    /// A picture of the whole page: a PNG, in base64.
    pub(crate) async fn screenshot(&self) -> String {
        let order = json!({ "cmd": "Page.captureScreenshot", "params": { "captureBeyondViewport": true } });
        let picture = self.post("goog/cdp/execute", order).await.unwrap();
        picture["data"].as_str().unwrap().to_owned()
    }

    /// Lets the page write to the clipboard, as a visible browser would.
    pub(crate) async fn allow_clipboard(&self) {
        self.devtools(
            "Browser.grantPermissions",
            json!({ "permissions": ["clipboardSanitizedWrite", "clipboardReadWrite"] }),
        )
        .await;
    }

    /// The browser's complaints since the last call, without those about replies with the expected statuses.
    pub(crate) async fn complaints(&self, expected: &[u16]) -> Vec<String> {
        let log = self.post("se/log", json!({ "type": "browser" })).await.unwrap();
        let messages = log.as_array().unwrap().iter().map(|entry| entry["message"].as_str().unwrap().to_owned());
        messages
            .filter(|message| !expected.iter().any(|status| message.contains(&format!("with a status of {status}"))))
            .collect()
    }

    async fn devtools(&self, command: &str, parameters: Value) {
        let order = json!({ "cmd": command, "params": parameters });
        self.post("goog/cdp/execute", order).await.unwrap();
    }

    /// The paths of the elements that an `XPath` expression finds.
    async fn find(&self, path: &str) -> Vec<String> {
        let found = self.post("elements", json!({ "using": "xpath", "value": path })).await.unwrap();
        found.as_array().unwrap().iter().map(element).collect()
    }

    async fn focused(&self) -> String {
        element(&self.get("element/active").await.unwrap())
    }

    async fn get(&self, command: &str) -> Result<Value, String> {
        call(&self.client, Method::GET, &format!("{}/{command}", self.session), None).await
    }

    async fn post(&self, command: &str, order: Value) -> Result<Value, String> {
        call(&self.client, Method::POST, &format!("{}/{command}", self.session), Some(order)).await
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        let _ = self.driver.kill();
        let _ = self.driver.wait();
        let _ = fs::remove_dir_all(&self.profile);
    }
}

/// Makes one call of the protocol. Returns its value, or the error's message.
async fn call(client: &Client, method: Method, url: &str, order: Option<Value>) -> Result<Value, String> {
    let request = client.request(method, url).body(order.map(|order| order.to_string()).unwrap_or_default());
    let reply = request.send().await.unwrap();
    let is_success = reply.status().is_success();
    let mut reply: Value = serde_json::from_str(&reply.text().await.unwrap()).unwrap();
    let value = reply["value"].take();
    if is_success { Ok(value) } else { Err(value["message"].to_string()) }
}

/// The path of an element. The long key is the protocol's name for an element's id.
fn element(value: &Value) -> String {
    format!("element/{}", value["element-6066-11e4-a52e-4f735466cecf"].as_str().unwrap())
}

/// The path of a program, if it is installed.
pub(crate) fn find(program: &str) -> Option<PathBuf> {
    env::split_paths(&env::var_os("PATH")?).map(|folder| folder.join(program)).find(|path| path.is_file())
}

/// Starts the driver, which chooses a port and prints it. Returns `None` if it ended: it does when IPv6 cannot use
/// the port that it chose for IPv4.
fn drive(chromedriver: &Path) -> Option<(Child, u16)> {
    let mut driver = Command::new(chromedriver).arg("--port=0").stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(driver.stdout.take().unwrap()).lines();
    let port = lines.find_map(|line| {
        line.unwrap().strip_prefix("ChromeDriver was started successfully on port ")?.trim_end_matches('.').parse().ok()
    });
    if port.is_none() {
        driver.wait().unwrap();
    }
    Some((driver, port?))
}
