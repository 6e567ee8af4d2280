//! Countries, and where most of their people are.
//!
//! Owns: a table of whole degrees, good enough to tell which region is near: for a wide country the point is amid its people,
//! not amid its land. Must never: be used for anything that needs a border.

use std::fmt;

use super::distance::Position;

/// Two letters of ISO 3166-1, upper case.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Country([u8; 2]);

impl Country {
    /// Reads two letters in any case; `None` for anything else, and for what edges say when they do not know.
    #[must_use]
    pub fn new(code: &str) -> Option<Self> {
        let letters: [u8; 2] = code.as_bytes().try_into().ok()?;
        let letters = letters.map(|letter| letter.to_ascii_uppercase());
        let known = letters.iter().all(u8::is_ascii_uppercase) && letters != *b"XX";
        known.then_some(Self(letters))
    }

    /// Where most of its people are; `None` for a code that is no country's.
    #[must_use]
    pub fn position(self) -> Option<Position> {
        let at = COUNTRIES.binary_search_by_key(&self.0, |row| row.0).ok()?;
        let (_, lat, lon) = *COUNTRIES.get(at)?;
        Position::new(f64::from(lat), f64::from(lon))
    }
}

impl fmt::Display for Country {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second] = self.0.map(char::from);
        write!(f, "{first}{second}")
    }
}

/// Code, latitude, longitude; by code.
#[rustfmt::skip]
const COUNTRIES: &[([u8; 2], i16, i16)] = &[
    (*b"AD", 43, 2), (*b"AE", 25, 55), (*b"AF", 34, 68), (*b"AG", 17, -62), (*b"AI", 18, -63),
    (*b"AL", 41, 20), (*b"AM", 40, 45), (*b"AO", -10, 15), (*b"AQ", -75, 0), (*b"AR", -33, -61),
    (*b"AS", -14, -171), (*b"AT", 48, 15), (*b"AU", -33, 147), (*b"AW", 13, -70), (*b"AX", 60, 20),
    (*b"AZ", 40, 48), (*b"BA", 44, 18), (*b"BB", 13, -60), (*b"BD", 24, 90), (*b"BE", 51, 4),
    (*b"BF", 12, -2), (*b"BG", 43, 25), (*b"BH", 26, 51), (*b"BI", -3, 30), (*b"BJ", 7, 2),
    (*b"BL", 18, -63), (*b"BM", 32, -65), (*b"BN", 5, 115), (*b"BO", -17, -66), (*b"BQ", 12, -68),
    (*b"BR", -20, -45), (*b"BS", 25, -77), (*b"BT", 27, 90), (*b"BV", -54, 3), (*b"BW", -24, 26),
    (*b"BY", 54, 28), (*b"BZ", 17, -88), (*b"CA", 46, -80), (*b"CC", -12, 97), (*b"CD", -4, 22),
    (*b"CF", 5, 19), (*b"CG", -4, 15), (*b"CH", 47, 8), (*b"CI", 6, -5), (*b"CK", -21, -160),
    (*b"CL", -33, -71), (*b"CM", 5, 12), (*b"CN", 32, 114), (*b"CO", 5, -75), (*b"CR", 10, -84),
    (*b"CU", 22, -80), (*b"CV", 15, -24), (*b"CW", 12, -69), (*b"CX", -10, 106), (*b"CY", 35, 33),
    (*b"CZ", 50, 15), (*b"DE", 51, 10), (*b"DJ", 12, 43), (*b"DK", 56, 11), (*b"DM", 15, -61),
    (*b"DO", 19, -70), (*b"DZ", 36, 3), (*b"EC", -1, -79), (*b"EE", 59, 25), (*b"EG", 30, 31),
    (*b"EH", 25, -13), (*b"ER", 15, 39), (*b"ES", 40, -3), (*b"ET", 9, 39), (*b"FI", 61, 25),
    (*b"FJ", -18, 178), (*b"FK", -52, -58), (*b"FM", 7, 158), (*b"FO", 62, -7), (*b"FR", 47, 3),
    (*b"GA", 0, 10), (*b"GB", 53, -1), (*b"GD", 12, -62), (*b"GE", 42, 44), (*b"GF", 5, -53),
    (*b"GG", 49, -3), (*b"GH", 6, -1), (*b"GI", 36, -5), (*b"GL", 65, -52), (*b"GM", 13, -16),
    (*b"GN", 10, -12), (*b"GP", 16, -62), (*b"GQ", 2, 10), (*b"GR", 38, 23), (*b"GS", -54, -37),
    (*b"GT", 15, -91), (*b"GU", 13, 145), (*b"GW", 12, -15), (*b"GY", 6, -58), (*b"HK", 22, 114),
    (*b"HM", -53, 74), (*b"HN", 15, -87), (*b"HR", 45, 16), (*b"HT", 19, -72), (*b"HU", 47, 19),
    (*b"ID", -7, 110), (*b"IE", 53, -7), (*b"IL", 32, 35), (*b"IM", 54, -5), (*b"IN", 22, 79),
    (*b"IO", -7, 72), (*b"IQ", 33, 44), (*b"IR", 34, 51), (*b"IS", 64, -21), (*b"IT", 43, 12),
    (*b"JE", 49, -2), (*b"JM", 18, -77), (*b"JO", 32, 36), (*b"JP", 36, 138), (*b"KE", -1, 37),
    (*b"KG", 42, 74), (*b"KH", 12, 105), (*b"KI", 1, 173), (*b"KM", -12, 44), (*b"KN", 17, -63),
    (*b"KP", 39, 126), (*b"KR", 37, 127), (*b"KW", 29, 48), (*b"KY", 19, -81), (*b"KZ", 47, 71),
    (*b"LA", 18, 103), (*b"LB", 34, 36), (*b"LC", 14, -61), (*b"LI", 47, 10), (*b"LK", 7, 80),
    (*b"LR", 6, -10), (*b"LS", -29, 28), (*b"LT", 55, 24), (*b"LU", 50, 6), (*b"LV", 57, 24),
    (*b"LY", 32, 15), (*b"MA", 33, -7), (*b"MC", 44, 7), (*b"MD", 47, 29), (*b"ME", 42, 19),
    (*b"MF", 18, -63), (*b"MG", -19, 47), (*b"MH", 7, 171), (*b"MK", 42, 22), (*b"ML", 13, -7),
    (*b"MM", 19, 96), (*b"MN", 48, 106), (*b"MO", 22, 114), (*b"MP", 15, 146), (*b"MQ", 15, -61),
    (*b"MR", 18, -15), (*b"MS", 17, -62), (*b"MT", 36, 14), (*b"MU", -20, 58), (*b"MV", 4, 73),
    (*b"MW", -14, 34), (*b"MX", 20, -100), (*b"MY", 4, 102), (*b"MZ", -19, 35), (*b"NA", -21, 17),
    (*b"NC", -22, 166), (*b"NE", 13, 6), (*b"NF", -29, 168), (*b"NG", 8, 7), (*b"NI", 12, -86),
    (*b"NL", 52, 5), (*b"NO", 60, 10), (*b"NP", 28, 85), (*b"NR", -1, 167), (*b"NU", -19, -170),
    (*b"NZ", -38, 175), (*b"OM", 23, 58), (*b"PA", 9, -79), (*b"PE", -11, -77),
    (*b"PF", -18, -149), (*b"PG", -7, 146), (*b"PH", 13, 122), (*b"PK", 30, 71), (*b"PL", 52, 19),
    (*b"PM", 47, -56), (*b"PN", -25, -130), (*b"PR", 18, -66), (*b"PS", 32, 35), (*b"PT", 40, -9),
    (*b"PW", 7, 134), (*b"PY", -25, -57), (*b"QA", 25, 51), (*b"RE", -21, 56), (*b"RO", 45, 26),
    (*b"RS", 44, 21), (*b"RU", 55, 45), (*b"RW", -2, 30), (*b"SA", 24, 45), (*b"SB", -9, 160),
    (*b"SC", -5, 55), (*b"SD", 15, 32), (*b"SE", 59, 16), (*b"SG", 1, 104), (*b"SH", -16, -6),
    (*b"SI", 46, 15), (*b"SJ", 78, 16), (*b"SK", 49, 19), (*b"SL", 8, -12), (*b"SM", 44, 12),
    (*b"SN", 15, -16), (*b"SO", 2, 45), (*b"SR", 6, -55), (*b"SS", 5, 31), (*b"ST", 0, 7),
    (*b"SV", 14, -89), (*b"SX", 18, -63), (*b"SY", 35, 37), (*b"SZ", -26, 31), (*b"TC", 22, -72),
    (*b"TD", 12, 16), (*b"TF", -49, 70), (*b"TG", 7, 1), (*b"TH", 14, 101), (*b"TJ", 38, 69),
    (*b"TK", -9, -172), (*b"TL", -9, 126), (*b"TM", 38, 59), (*b"TN", 36, 10), (*b"TO", -21, -175),
    (*b"TR", 40, 32), (*b"TT", 11, -61), (*b"TV", -9, 179), (*b"TW", 24, 121), (*b"TZ", -5, 36),
    (*b"UA", 49, 31), (*b"UG", 1, 33), (*b"UM", 19, 167), (*b"US", 38, -88), (*b"UY", -35, -56),
    (*b"UZ", 40, 67), (*b"VA", 42, 12), (*b"VC", 13, -61), (*b"VE", 10, -67), (*b"VG", 18, -65),
    (*b"VI", 18, -65), (*b"VN", 16, 107), (*b"VU", -17, 168), (*b"WF", -13, -176),
    (*b"WS", -14, -172), (*b"XK", 43, 21), (*b"YE", 15, 45), (*b"YT", -13, 45), (*b"ZA", -28, 28),
    (*b"ZM", -14, 28), (*b"ZW", -18, 30),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_sorted_and_on_earth() {
        assert!(COUNTRIES.is_sorted_by(|a, b| a.0 < b.0));
        for (code, ..) in COUNTRIES {
            assert!(Country(*code).position().is_some(), "{}", Country(*code));
        }
    }

    #[test]
    fn codes_are_read_in_any_case_and_nonsense_is_not() {
        assert_eq!(Country::new("de").unwrap().to_string(), "DE");
        for nonsense in ["", "D", "DEU", "1A", "xx", "é"] {
            assert_eq!(Country::new(nonsense), None, "{nonsense}");
        }
        assert_eq!(Country::new("ZZ").unwrap().position(), None);
    }

    #[test]
    fn neighbours_are_nearer_than_the_other_side_of_the_world() {
        let km = |a: &str, b: &str| {
            let place = |code| Country::new(code).unwrap().position().unwrap();
            place(a).km_to(place(b))
        };
        assert!(km("NL", "DE") < 600.0);
        assert!(km("SG", "MY") < 600.0);
        assert!(km("BR", "US") > 6_000.0);
        assert!(km("NZ", "ES") > 18_000.0);
    }
}
