//! Colours, and the contrast between them as WCAG 2.2 computes it.

use std::{fmt, str::FromStr};

/// A colour in sRGB: red, green and blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Colour(pub(crate) [u8; 3]);

pub(crate) const BLACK: Colour = Colour([0; 3]);
pub(crate) const WHITE: Colour = Colour([255; 3]);

impl Colour {
    /// Returns this colour with `percent` (0 to 100) of another one mixed in.
    pub(crate) fn mixed(self, other: Self, percent: u32) -> Self {
        let part = |at: usize| {
            let (own, other) = (u32::from(self.0[at]), u32::from(other.0[at]));
            let mixed = (own * (100 - percent) + other * percent + 50) / 100;
            u8::try_from(mixed).unwrap_or(u8::MAX)
        };
        Self([part(0), part(1), part(2)])
    }

    /// Returns black or white, whichever is easier to read on this colour. The contrast is 4.58 or more.
    pub(crate) fn text_on_it(self) -> Self {
        if contrast(self, BLACK) > contrast(self, WHITE) { BLACK } else { WHITE }
    }

    /// The relative luminance: 0 for black, 1 for white. <https://www.w3.org/TR/WCAG22/#dfn-relative-luminance>
    fn luminance(self) -> f64 {
        let linear = self.0.map(|part| {
            let part = f64::from(part) / 255.0;
            if part <= 0.04045 { part / 12.92 } else { ((part + 0.055) / 1.055).powf(2.4) }
        });
        0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    }
}

/// The contrast of two colours, from 1 to 21. <https://www.w3.org/TR/WCAG22/#dfn-contrast-ratio>
pub(crate) fn contrast(one: Colour, other: Colour) -> f64 {
    let (one, other) = (one.luminance(), other.luminance());
    (one.max(other) + 0.05) / (one.min(other) + 0.05)
}

impl FromStr for Colour {
    type Err = &'static str;

    /// Parses `#rrggbb`.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let mut parts = [0; 3];
        let digits = text.strip_prefix('#').filter(|digits| digits.len() == 6);
        let decoded = digits.map(|digits| hex::decode_to_slice(digits, &mut parts));
        if decoded.is_some_and(|decoded| decoded.is_ok()) {
            Ok(Self(parts))
        } else {
            Err("expected #rrggbb, or nothing")
        }
    }
}

impl fmt::Display for Colour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "#{}", hex::encode(self.0))
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn a_colour_has_six_digits() {
        assert_eq!("#4f46E5".parse(), Ok(Colour([0x4f, 0x46, 0xe5])));
        assert_eq!(Colour([0x4f, 0x46, 0xe5]).to_string(), "#4f46e5");
        for wrong in ["", "#", "4f46e5", "#4f46e", "#4f46e5f", "#4f46eg", "#ааа", "#4f46e5\n", "red", "#fff"] {
            assert!(wrong.parse::<Colour>().is_err(), "{wrong}");
        }
    }

    /// Well-known pairs, with the two digits that contrast checkers show.
    #[test]
    fn contrast_is_as_wcag_defines_it() {
        let cases = [
            ("#000000", "#ffffff", 21.0),
            ("#777777", "#ffffff", 4.48),
            ("#767676", "#ffffff", 4.54),
            ("#ff0000", "#ffffff", 4.0),
            ("#0000ff", "#ffffff", 8.59),
            ("#ffff00", "#ffffff", 1.07),
            ("#123456", "#123456", 1.0),
        ];
        for (one, other, expected) in cases {
            let [one, other] = [one, other].map(|text| text.parse().unwrap());
            assert!((contrast(one, other) - expected).abs() < 0.01, "{one} {other}: {}", contrast(one, other));
            assert!((contrast(other, one) - contrast(one, other)).abs() < 1e-9);
        }
    }

    #[test]
    fn black_or_white_can_be_read_on_every_colour() {
        for colour in every_17th() {
            assert!(contrast(colour, colour.text_on_it()) > 4.5, "{colour}");
        }
    }

    #[test]
    fn a_mixture_goes_from_the_one_colour_to_the_other() {
        let (from, to) = (Colour([0, 100, 255]), Colour([255, 50, 0]));
        assert_eq!((from.mixed(to, 0), from.mixed(to, 100)), (from, to));
        assert_eq!(from.mixed(to, 50), Colour([128, 75, 128]));
    }

    /// 4,096 colours, from black to white.
    pub(crate) fn every_17th() -> impl Iterator<Item = Colour> {
        let parts = || (0..=255).step_by(17);
        parts().flat_map(move |red| parts().flat_map(move |green| parts().map(move |blue| Colour([red, green, blue]))))
    }
}
