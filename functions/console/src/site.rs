//! The pages and files as this deployment serves them: with the operator's name, colour and frame ancestors.
//!
//! The build makes the files that are the same in every deployment. The pages, and the style sheet if it has the
//! operator's colour, are made here once, with a hash of their own: so browsers cache them like the other files, and a
//! change of a parameter takes effect with the next visit. The colour is a part of the style sheet because the
//! `Content-Security-Policy` allows no inline style, and a file of its own would be one more request.

use std::{borrow::Cow, sync::OnceLock};

use nano_webhooks::config::{self, ConfigError};

use crate::{
    accent::Accent,
    frame_ancestors::FrameAncestors,
    name::Name,
    packed::{gzip, hash},
};

/// The `Content-Security-Policy` of every file, without `frame-ancestors`. The browser refuses any script, style or
/// connection that is not ours, and every way in which a script could turn text into markup. So data from customers
/// and receivers cannot run anything on these pages.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; \
    base-uri 'none'; form-action 'none'; require-trusted-types-for 'script'; trusted-types 'none'";

/// A page, or a file that a page loads.
#[derive(Clone)]
pub(crate) struct File {
    pub(crate) name: Cow<'static, str>,
    pub(crate) content_type: &'static str,
    /// Whether the name contains the hash. Then the content under this name never changes.
    pub(crate) is_hashed: bool,
    pub(crate) hash: Cow<'static, str>,
    pub(crate) plain: Cow<'static, str>,
    pub(crate) gzip: Cow<'static, [u8]>,
}

// `FILES`, and the pages `CONSOLE` and `DOCS` with `%NAME%`, `%SCHEME%`, `%LANG%` and `%QUERY%` in them, which `Site`
// fills in.
include!(concat!(env!("OUT_DIR"), "/files.rs"));

/// What an operator can change about the console.
#[derive(Clone)]
pub(crate) struct Look {
    pub(crate) frame_ancestors: FrameAncestors,
    pub(crate) name: Name,
    pub(crate) accent: Accent,
}

impl Look {
    pub(crate) fn from_env() -> Result<Self, ConfigError> {
        Ok(Self {
            frame_ancestors: config::parsed("CONSOLE_FRAME_ANCESTORS")?,
            name: config::parsed("CONSOLE_NAME")?,
            accent: config::parsed("CONSOLE_ACCENT_COLOR")?,
        })
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Page {
    Console,
    Docs,
}

/// The theme that the address asks for with `?theme=`.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Theme {
    /// The one that the browser prefers.
    Preferred,
    Light,
    Dark,
}

impl Theme {
    /// Parses `light` or `dark`. Anything else, and nothing, leave the choice to the browser.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        match text {
            Some("light") => Self::Light,
            Some("dark") => Self::Dark,
            _ => Self::Preferred,
        }
    }

    /// Returns the value of `color-scheme` in CSS, and the parameter with which a page asks for the theme again.
    fn parts(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Preferred => ("light dark", None),
            Self::Light => ("light", Some("theme=light")),
            Self::Dark => ("dark", Some("theme=dark")),
        }
    }
}

/// The language that the address asks for with `?lang=`. The console's script loads its texts.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Language {
    /// The one that the user has chosen, or that the browser prefers. The page is in English until the script runs.
    Preferred,
    English,
    German,
}

impl Language {
    /// Parses `en` or `de`. Anything else, and nothing, leave the choice to the user and the browser.
    pub(crate) fn parse(text: Option<&str>) -> Self {
        match text {
            Some("en") => Self::English,
            Some("de") => Self::German,
            _ => Self::Preferred,
        }
    }

    /// Returns the page's language in HTML, and the parameter with which a page asks for the language again.
    fn parts(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Preferred => ("en", None),
            Self::English => ("en", Some("lang=en")),
            Self::German => ("de", Some("lang=de")),
        }
    }
}

/// How many themes and languages there are, with the preferred ones.
const THEMES: usize = 3;
const LANGUAGES: usize = 3;

/// The console of this deployment.
pub(crate) struct Site {
    look: Look,
    files: Vec<File>,
    /// Each page in each theme and language, once it has been asked for. The page of the API takes milliseconds to
    /// compress.
    console: [[OnceLock<File>; LANGUAGES]; THEMES],
    docs: [[OnceLock<File>; LANGUAGES]; THEMES],
}

impl Site {
    pub(crate) fn new(look: Look) -> Self {
        let mut files = FILES.to_vec();
        if let Some(rule) = look.accent.rule() {
            let styles = files.iter_mut().find(|file| is_style_sheet(file)).expect("the build makes a style sheet");
            let plain = format!("{}{rule}", styles.plain);
            let hash = hash(&plain);
            *styles = File {
                name: styles.name.replace(&*styles.hash, &hash).into(),
                hash: hash.into(),
                gzip: gzip(&plain).into(),
                plain: plain.into(),
                ..styles.clone()
            };
        }
        let none = || [const { [const { OnceLock::new() }; LANGUAGES] }; THEMES];
        Self { look, files, console: none(), docs: none() }
    }

    /// Returns the headers of every file that say what its page may do, and which pages may show it in a frame.
    /// `X-Frame-Options` cannot name origins, so it is there only if nobody may.
    pub(crate) fn policy(&self) -> Vec<(&'static str, String)> {
        let ancestors = &self.look.frame_ancestors;
        let policy = format!("{POLICY}; frame-ancestors {}", ancestors.directive());
        let deny = ancestors.is_empty().then(|| ("x-frame-options", "DENY".to_owned()));
        [("content-security-policy", policy)].into_iter().chain(deny).collect()
    }

    /// Returns a page in a theme and a language. The API's page is in English, and its links lead to pages in the language.
    pub(crate) fn page(&self, page: Page, theme: Theme, language: Language) -> &File {
        let (made, template) = match page {
            Page::Console => (&self.console, CONSOLE),
            Page::Docs => (&self.docs, DOCS),
        };
        made[theme as usize][language as usize].get_or_init(|| self.filled(template, theme, language))
    }

    /// Returns the file with this name.
    pub(crate) fn file(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| file.name == name)
    }

    /// Returns this version's file for the name of another version's file.
    pub(crate) fn successor(&self, name: &str) -> Option<&File> {
        self.files.iter().find(|file| family(&file.name) == family(name))
    }

    fn filled(&self, template: &str, theme: Theme, language: Language) -> File {
        let built = FILES.iter().find(|file| is_style_sheet(file)).expect("the build makes a style sheet");
        let styles = self.files.iter().find(|file| is_style_sheet(file)).unwrap_or(built);
        let ((scheme, asked_theme), (lang, asked_language)) = (theme.parts(), language.parts());
        let asked: Vec<_> = asked_theme.into_iter().chain(asked_language).collect();
        let query = if asked.is_empty() { String::new() } else { format!("?{}", asked.join("&amp;")) };
        let page = template.replace(&*built.name, &styles.name).replace("%SCHEME%", scheme).replace("%LANG%", lang);
        let page = page.replace("%QUERY%", &query);
        // Last, because the name could have the others in it.
        let page = page.replace("%NAME%", &self.look.name.escaped());
        File {
            name: "".into(),
            content_type: "text/html; charset=utf-8",
            is_hashed: false,
            hash: hash(&page).into(),
            gzip: gzip(&page).into(),
            plain: page.into(),
        }
    }
}

fn is_style_sheet(file: &File) -> bool {
    file.content_type == "text/css"
}

/// The part of a file's name that all its versions share: the name without the hash.
fn family(name: &str) -> Option<(&str, &str)> {
    let (stem, rest) = name.split_once('-')?;
    Some((stem, rest.split_once('.')?.1))
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    const EACH_THEME: [Theme; THEMES] = [Theme::Preferred, Theme::Light, Theme::Dark];
    const EACH_LANGUAGE: [Language; LANGUAGES] = [Language::Preferred, Language::English, Language::German];

    fn look(frame_ancestors: &str, name: &str, accent: &str) -> Look {
        Look {
            frame_ancestors: frame_ancestors.parse().unwrap(),
            name: name.parse().unwrap(),
            accent: accent.parse().unwrap(),
        }
    }

    fn by_default() -> Site {
        Site::new(look("", "nano-webhooks", ""))
    }

    fn branded() -> Site {
        Site::new(look("https://dashboard.example.com", "Acme <b> & \"co\"", "#ffff00"))
    }

    fn pages(site: &Site) -> impl Iterator<Item = &File> {
        let looks = EACH_THEME.into_iter().flat_map(|theme| EACH_LANGUAGE.map(|language| (theme, language)));
        looks.flat_map(|(theme, language)| [Page::Console, Page::Docs].map(|page| site.page(page, theme, language)))
    }

    #[test]
    fn every_file_is_compressed_as_it_is() {
        for site in [by_default(), branded()] {
            for file in site.files.iter().chain(pages(&site)) {
                let mut text = String::new();
                GzDecoder::new(&*file.gzip).read_to_string(&mut text).unwrap();
                assert!(text == file.plain, "{}", file.name);
                assert_eq!(file.hash, hash(&file.plain), "{}", file.name);
                assert!(!file.is_hashed || file.name.contains(&*file.hash), "{}", file.name);
            }
        }
    }

    /// The policy would block it, and only the browser's developer console would report that.
    #[test]
    fn no_page_has_an_inline_script_or_style() {
        let site = branded();
        for page in pages(&site) {
            for tag in page.plain.split("<script").skip(1) {
                assert!(
                    tag.starts_with(" type=\"module\" src=\"console/") && tag.contains("\"></script>"),
                    "<script{tag}"
                );
            }
            for inline in ["<style", "style=", " onload", " onclick", "javascript:"] {
                assert!(!page.plain.contains(inline), "{inline}");
            }
        }
    }

    /// A browser would have to request a file without a hash in its name on every visit.
    #[test]
    fn every_page_loads_hashed_files_alone() {
        for site in [by_default(), branded()] {
            for page in pages(&site) {
                let names: Vec<_> =
                    page.plain.split("\"console/").skip(1).map(|rest| rest.split('"').next().unwrap()).collect();
                assert!(names.len() > 1, "{names:?}");
                for name in names {
                    assert!(site.file(name).is_some_and(|file| file.is_hashed), "{name}");
                }
            }
        }
    }

    #[test]
    fn by_default_nobody_may_put_a_page_around_the_console() {
        let (csp, deny) = ("content-security-policy", ("x-frame-options", "DENY".to_owned()));
        assert_eq!(by_default().policy(), [(csp, format!("{POLICY}; frame-ancestors 'none'")), deny]);
        let dashboard = "https://dashboard.example.com https://*.example.org";
        let site = Site::new(look(dashboard, "nano-webhooks", ""));
        assert_eq!(site.policy(), [(csp, format!("{POLICY}; frame-ancestors {dashboard}"))]);
        assert!(!POLICY.contains("unsafe") && !POLICY.contains("frame"));
    }

    #[test]
    fn the_name_is_in_the_title_and_the_heading_and_is_text() {
        let site = branded();
        for page in pages(&site) {
            let text = &page.plain;
            assert!(text.contains("<title>Acme &lt;b&gt; &amp; &quot;co&quot;"), "{text}");
            for wrong in ["nano-webhooks</a>", "Acme <b>", "%NAME%", "%SCHEME%", "%LANG%", "%QUERY%"] {
                assert!(!text.contains(wrong), "{wrong}");
            }
        }
        let console = &site.page(Page::Console, Theme::Preferred, Language::Preferred).plain;
        assert!(console.contains("name=\"application-name\" content=\"Acme &lt;b&gt; &amp; &quot;co&quot;\""));
        assert!(site.page(Page::Docs, Theme::Preferred, Language::Preferred).plain.contains("<h1>Acme &lt;b&gt;"));
    }

    #[test]
    fn each_theme_is_a_page_of_its_own_that_leads_to_pages_of_the_same_theme() {
        let site = by_default();
        let [preferred, light, dark] = EACH_THEME.map(|theme| site.page(Page::Docs, theme, Language::Preferred));
        assert!(preferred.hash != light.hash && light.hash != dark.hash && preferred.hash != dark.hash);
        assert!(dark.plain.contains("data-theme=\"dark\"") && dark.plain.contains("\"color-scheme\" content=\"dark\""));
        assert!(dark.plain.contains("href=\"console?theme=dark\""));
        assert!(preferred.plain.contains("content=\"light dark\"") && preferred.plain.contains("href=\"console\""));
        for nothing in [None, Some(""), Some("Dark"), Some("dark light"), Some("\" onload=\"")] {
            assert!(Theme::parse(nothing) == Theme::Preferred, "{nothing:?}");
        }
        assert!(Theme::parse(Some("light")) == Theme::Light && Theme::parse(Some("dark")) == Theme::Dark);
    }

    #[test]
    fn the_address_chooses_the_language_and_links_keep_it() {
        let site = by_default();
        let page = |page, theme, language| site.page(page, theme, language).plain.as_ref();
        let console = |language| page(Page::Console, Theme::Preferred, language);
        assert!(console(Language::Preferred).contains("<html lang=\"en\""));
        assert!(console(Language::English).contains("<html lang=\"en\""));
        assert!(console(Language::German).contains("<html lang=\"de\""));
        // The API's page is in English.
        let docs = page(Page::Docs, Theme::Dark, Language::German);
        assert!(docs.contains("<html lang=\"en\"") && docs.contains("href=\"console?theme=dark&amp;lang=de\""));
        assert!(page(Page::Docs, Theme::Preferred, Language::English).contains("href=\"console?lang=en\""));
        for nothing in [None, Some(""), Some("DE"), Some("fr"), Some("de-AT"), Some("\" onload=\"")] {
            assert!(Language::parse(nothing) == Language::Preferred, "{nothing:?}");
        }
        assert!(Language::parse(Some("de")) == Language::German && Language::parse(Some("en")) == Language::English);
    }

    #[test]
    fn the_colour_is_in_the_style_sheet_which_then_has_another_name() {
        let [plain, branded] = [by_default(), branded()];
        let [built, own] = [&plain, &branded].map(|site| site.files.iter().find(|file| is_style_sheet(file)).unwrap());
        assert!(own.plain.starts_with(&*built.plain) && own.plain.contains("--brand: #ffff00;"));
        assert_ne!(own.name, built.name);
        assert!(branded.file(&built.name).is_none());
        // A page that was loaded before the colour was changed gets the style sheet with the new one.
        assert_eq!(branded.successor(&built.name).map(|file| &file.name), Some(&own.name));
        assert_eq!(plain.files.len(), branded.files.len());
    }
}
