//! The operator's accent colour, in the light and the dark theme.
//!
//! An operator chooses one colour, without thinking of contrast. Buttons are filled with exactly this colour, under a
//! black or a white label. Links, marks and lines get the shade of it that is nearest and still has a contrast of 4.5
//! to every background of the theme.

use std::str::FromStr;

use crate::colour::{BLACK, Colour, WHITE, contrast};

/// The contrast of text that WCAG 2.2 demands at level AA.
const LEGIBLE: f64 = 4.5;

/// The backgrounds that a text in the accent colour can be on, in the light and the dark theme, by their names in
/// `console.css`. If a background is missing here, links on it may be illegible.
const BACKGROUNDS: [(&str, Colour, Colour); 8] = [
    ("page", Colour([0xf6, 0xf7, 0xf9]), Colour([0x0e, 0x11, 0x16])),
    ("card", LIGHT_CARD, DARK_CARD),
    ("well", Colour([0xf3, 0xf4, 0xf7]), Colour([0x0e, 0x12, 0x18])),
    ("green-soft", Colour([0xe3, 0xf5, 0xeb]), Colour([0x12, 0x30, 0x1f])),
    ("red-soft", Colour([0xfd, 0xeb, 0xea]), Colour([0x3a, 0x1a, 0x1a])),
    ("amber-soft", Colour([0xfd, 0xf1, 0xdc]), Colour([0x35, 0x27, 0x0f])),
    ("grey-soft", Colour([0xec, 0xee, 0xf2]), Colour([0x23, 0x2a, 0x34])),
    ("raised", WHITE, Colour([0x3a, 0x43, 0x51])),
];
const LIGHT_CARD: Colour = WHITE;
const DARK_CARD: Colour = Colour([0x16, 0x1b, 0x22]);

/// The operator's accent colour. `None` for the console's own.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Accent(Option<Colour>);

impl Accent {
    /// Returns the rule to append to the style sheet. `None` for the console's own colours.
    pub(crate) fn rule(self) -> Option<String> {
        let brand = self.0?;
        let (light, dark) = (Shades::light(brand), Shades::dark(brand));
        let label = brand.text_on_it();
        // A button that the pointer is over gets a shade that is further away from its label.
        let hover = if label == WHITE { BLACK } else { WHITE };
        Some(format!(
            ":root {{ --accent: light-dark({}, {}); --accent-soft: light-dark({}, {}); --brand: {brand}; \
             --on-brand: {label}; --brand-hover: {hover}; }}\n",
            light.text, dark.text, light.soft, dark.soft
        ))
    }
}

impl FromStr for Accent {
    type Err = &'static str;

    /// Parses `#rrggbb`, or an empty text.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.is_empty() { Ok(Self(None)) } else { text.parse().map(|colour| Self(Some(colour))) }
    }
}

/// The accent colour's shades in one theme.
struct Shades {
    /// For text and lines.
    text: Colour,
    /// A background.
    soft: Colour,
}

impl Shades {
    fn light(brand: Colour) -> Self {
        let soft = LIGHT_CARD.mixed(brand, 12);
        Self { text: legible(brand, BLACK, BACKGROUNDS.map(|(_, light, _)| light), soft), soft }
    }

    fn dark(brand: Colour) -> Self {
        let soft = DARK_CARD.mixed(brand, 20);
        Self { text: legible(brand, WHITE, BACKGROUNDS.map(|(_, _, dark)| dark), soft), soft }
    }
}

/// Returns the shade with the least of `extreme` mixed in that can be read on every background.
fn legible<const N: usize>(colour: Colour, extreme: Colour, backgrounds: [Colour; N], soft: Colour) -> Colour {
    let is_legible = |shade: &Colour| backgrounds.iter().chain([&soft]).all(|it| contrast(*shade, *it) >= LEGIBLE);
    (0..100).map(|percent| colour.mixed(extreme, percent)).find(is_legible).unwrap_or(extreme)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::colour::tests::every_17th;

    const CSS: &str = include_str!("../assets/console.css");

    #[test]
    fn the_backgrounds_are_those_of_the_style_sheet() {
        for (name, light, dark) in BACKGROUNDS {
            assert!(CSS.contains(&format!("  --{name}: light-dark({light}, {dark});")), "{name}");
        }
    }

    #[test]
    fn every_accent_colour_can_be_read_on_every_background_of_both_themes() {
        let (light_text, dark_text): (Colour, Colour) = ("#1a1f29".parse().unwrap(), "#e8ebf0".parse().unwrap());
        assert!(CSS.contains(&format!("--text: light-dark({light_text}, {dark_text});")));
        for brand in every_17th() {
            let (light, dark) = (Shades::light(brand), Shades::dark(brand));
            for (name, on_light, on_dark) in BACKGROUNDS.into_iter().chain([("soft", light.soft, dark.soft)]) {
                assert!(contrast(light.text, on_light) >= 4.5, "{brand} on {name}, light: {}", light.text);
                assert!(contrast(dark.text, on_dark) >= 4.5, "{brand} on {name}, dark: {}", dark.text);
            }
            assert!(contrast(light_text, light.soft) >= 4.5 && contrast(dark_text, dark.soft) >= 4.5, "{brand}");
        }
    }

    /// 88 % of the colour remains under the pointer, mixed in another colour space: so at least as far from the label.
    #[test]
    fn a_button_under_the_pointer_has_at_least_the_contrast_that_it_had() {
        for brand in every_17th() {
            let label = brand.text_on_it();
            let hover = if label == WHITE { BLACK } else { WHITE };
            assert!(contrast(brand.mixed(hover, 12), label) >= contrast(brand, label), "{brand}");
        }
    }

    #[test]
    fn a_colour_that_can_be_read_stays_as_it_is() {
        let blue = "#1d4ed8".parse().unwrap();
        assert_eq!(Shades::light(blue).text, blue);
        let lilac = "#c4b5fd".parse().unwrap();
        assert_eq!(Shades::dark(lilac).text, lilac);
    }

    #[test]
    fn the_rule_has_only_colours_and_there_is_none_by_default() {
        let rule = "#FFFF00".parse::<Accent>().unwrap().rule().unwrap();
        assert!(rule.contains("--brand: #ffff00; --on-brand: #000000; --brand-hover: #ffffff;"), "{rule}");
        assert!(rule.starts_with(":root { --accent: light-dark(#") && rule.ends_with(" }\n"), "{rule}");
        assert_eq!("".parse::<Accent>().unwrap().rule(), None);
        for wrong in ["yellow", "#ff0", "#ffff00;", "#ffff00}body{display:none", " "] {
            assert!(wrong.parse::<Accent>().is_err(), "{wrong}");
        }
    }
}
