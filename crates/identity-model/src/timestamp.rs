//! A moment, in microseconds. This crate never asks what time it is.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::text::deserialize_text;

const MICROS_PER_SECOND: i64 = 1_000_000;
const SECONDS_PER_DAY: i64 = 86_400;

/// Bytes of a moment as text.
const TEXT_BYTES: usize = 27;

/// A moment in UTC with microseconds, written as RFC 3339 with six digits and `Z`.
///
/// From year 1 to year 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64); // INVARIANT: MIN.0 <= self.0 <= MAX.0

/// The text is no RFC 3339 moment between the years 1 and 9999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not an RFC 3339 date and time such as `2026-01-31T08:00:00Z`")]
pub struct TimestampError;

impl Timestamp {
    /// The first moment that can be written: `0001-01-01T00:00:00.000000Z`.
    pub const MIN: Self = Self(-62_135_596_800 * MICROS_PER_SECOND);
    /// The last moment that can be written: `9999-12-31T23:59:59.999999Z`.
    pub const MAX: Self = Self(253_402_300_800 * MICROS_PER_SECOND - 1);

    /// The moment this many microseconds after 1970 began, moved into the range that can be written.
    pub const fn from_micros(micros: i64) -> Self {
        if micros < Self::MIN.0 {
            Self::MIN
        } else if micros > Self::MAX.0 {
            Self::MAX
        } else {
            Self(micros)
        }
    }

    /// Microseconds since 1970 began.
    pub const fn as_micros(self) -> i64 {
        self.0
    }

    /// The moment this many seconds after 1970 began (RFC 7519 NumericDate), moved into the range.
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self::from_micros(seconds.saturating_mul(MICROS_PER_SECOND))
    }

    /// Whole seconds since 1970 began, rounded down (RFC 7519 NumericDate).
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(MICROS_PER_SECOND)
    }

    /// Whole milliseconds since 1970 began, rounded down.
    pub const fn unix_millis(self) -> i64 {
        self.0.div_euclid(1_000)
    }

    /// The moment this many seconds later, moved into the range.
    #[must_use]
    pub const fn plus_seconds(self, seconds: i64) -> Self {
        Self::from_micros(self.0.saturating_add(seconds.saturating_mul(MICROS_PER_SECOND)))
    }

    /// Whole seconds from `earlier` to this moment, rounded down; negative when this is the earlier one.
    pub const fn seconds_since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0).div_euclid(MICROS_PER_SECOND)
    }

    /// Its text, written into a buffer: two are in every stored credential.
    fn written(self, buffer: &mut [u8; TEXT_BYTES]) -> &str {
        let seconds = self.unix_seconds();
        let micros = self.0.rem_euclid(MICROS_PER_SECOND);
        let (year, month, day) = civil_from_days(seconds.div_euclid(SECONDS_PER_DAY));
        let clock = seconds.rem_euclid(SECONDS_PER_DAY);
        let fields = [
            (year, 1_000, b'-'),
            (month, 10, b'-'),
            (day, 10, b'T'),
            (clock / 3600, 10, b':'),
            (clock / 60 % 60, 10, b':'),
            (clock % 60, 10, b'.'),
            (micros, 100_000, b'Z'),
        ];
        let mut places = buffer.iter_mut();
        for (value, mut unit, mark) in fields {
            for place in places.by_ref() {
                *place = if unit == 0 { mark } else { digit(value / unit % 10) };
                if unit == 0 {
                    break;
                }
                unit /= 10;
            }
        }
        std::str::from_utf8(buffer).unwrap_or_default()
    }

    /// This moment without its fraction of a second.
    #[must_use]
    pub const fn floor_to_second(self) -> Self {
        Self::from_unix_seconds(self.unix_seconds())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.written(&mut [0; TEXT_BYTES]))
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserialize_text(deserializer)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.written(&mut [0; TEXT_BYTES]))
    }
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    fn from_str(text: &str) -> Result<Self, TimestampError> {
        parse(text).ok_or(TimestampError)
    }
}

impl TryFrom<String> for Timestamp {
    type Error = TimestampError;
    fn try_from(text: String) -> Result<Self, TimestampError> {
        text.parse()
    }
}

impl From<Timestamp> for String {
    fn from(moment: Timestamp) -> Self {
        moment.to_string()
    }
}

fn digit(value: i64) -> u8 {
    b'0' + u8::try_from(value).unwrap_or(0)
}

/// RFC 3339 §5.6; digits after the sixth are cut off, a leap second counts as the second before it.
fn parse(text: &str) -> Option<Timestamp> {
    if !text.is_ascii() || text.len() > 40 {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        if digits.bytes().all(|byte| byte.is_ascii_digit()) { digits.parse().ok() } else { None }
    };
    let mark = |at: usize, marks: &[u8]| text.as_bytes().get(at).is_some_and(|byte| marks.contains(byte));
    if !(mark(4, b"-") && mark(7, b"-") && mark(10, b"Tt") && mark(13, b":") && mark(16, b":")) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let in_range = year >= 1
        && (1..=12).contains(&month)
        && (1..=days_in_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second <= 60;
    if !in_range {
        return None;
    }
    let mut rest = text.get(19..)?;
    let mut micros = 0;
    if let Some(after) = rest.strip_prefix('.') {
        let end = after.find(|c: char| !c.is_ascii_digit()).unwrap_or(after.len());
        let (digits, tail) = after.split_at(end);
        if digits.is_empty() {
            return None;
        }
        let kept = digits.get(..digits.len().min(6))?;
        micros = format!("{kept:0<6}").parse::<i64>().ok()?;
        rest = tail;
    }
    let offset = match rest {
        "Z" | "z" => 0,
        _ => offset_seconds(rest)?,
    };
    let seconds =
        days_from_civil(year, month, day) * SECONDS_PER_DAY + hour * 3600 + minute * 60 + second.min(59)
            - offset;
    let total = seconds * MICROS_PER_SECOND + micros;
    (Timestamp::MIN.0..=Timestamp::MAX.0).contains(&total).then_some(Timestamp(total))
}

fn offset_seconds(text: &str) -> Option<i64> {
    let sign = match text.as_bytes() {
        [b'+', _, _, b':', _, _] => 1,
        [b'-', _, _, b':', _, _] => -1,
        _ => return None,
    };
    let digits = |from: usize, to: usize| -> Option<i64> {
        let part = text.get(from..to)?;
        if part.bytes().all(|byte| byte.is_ascii_digit()) { part.parse().ok() } else { None }
    };
    let (hours, minutes) = (digits(1, 3)?, digits(4, 6)?);
    (hours < 24 && minutes < 60).then_some(sign * (hours * 3600 + minutes * 60))
}

fn days_in_month(year: i64, month: i64) -> i64 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if year % 4 == 0 && (year % 100 != 0 || year % 400 == 0) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days from 1970-01-01 to a date of the proleptic Gregorian calendar, counting years from March.
fn days_from_civil(year: i64, month: i64, day: i64) -> i64 {
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
    era * 146_097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719_468
}

/// The date this many days from 1970-01-01.
fn civil_from_days(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let day_of_era = days.rem_euclid(146_097);
    let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let month = if shifted < 10 { shifted + 3 } else { shifted - 9 };
    let year = era * 400 + year_of_era + i64::from(month <= 2);
    (year, month, day_of_year - (153 * shifted + 2) / 5 + 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn check(input: &str, expected: Option<&str>) {
        let written = input.parse::<Timestamp>().ok().map(|moment| moment.to_string());
        assert_eq!(written.as_deref(), expected, "{input:?}");
    }

    #[test]
    fn rfc3339_section_5_8_examples() {
        check("1985-04-12T23:20:50.52Z", Some("1985-04-12T23:20:50.520000Z"));
        check("1996-12-19T16:39:57-08:00", Some("1996-12-20T00:39:57.000000Z"));
        check("1990-12-31T23:59:60Z", Some("1990-12-31T23:59:59.000000Z"));
        check("1937-01-01T12:00:27.87+00:20", Some("1937-01-01T11:40:27.870000Z"));
    }

    #[test]
    fn malformed_moments() {
        for bad in [
            "",
            "2026-01-01",
            "2026-01-01 00:00:00Z",
            "2026-01-01T00:00:00",
            "2026-01-01T00:00:00+00",
            "2026-13-01T00:00:00Z",
            "2026-02-29T00:00:00Z",
            "2026-01-01T24:00:00Z",
            "2026-01-01T00:00:00.Z",
            "2026-01-01T00:00:00Zx",
            "0000-01-01T00:00:00Z",
            "0001-01-01T00:00:00+00:01",
            "+026-01-01T00:00:00Z",
            "2026-01-01T00:00:00+0a:00",
        ] {
            check(bad, None);
        }
    }

    #[test]
    fn known_moments() {
        assert_eq!(Timestamp::from_unix_seconds(0).to_string(), "1970-01-01T00:00:00.000000Z");
        assert_eq!(Timestamp::from_unix_seconds(951_782_400).to_string(), "2000-02-29T00:00:00.000000Z");
        assert_eq!(Timestamp::from_micros(-1).unix_seconds(), -1);
        assert_eq!(Timestamp::MAX.plus_seconds(1), Timestamp::MAX);
        assert_eq!(Timestamp::MAX.to_string(), "9999-12-31T23:59:59.999999Z");
        assert_eq!(Timestamp::MIN.to_string(), "0001-01-01T00:00:00.000000Z");
    }

    proptest! {
        #[test]
        fn writing_and_reading_agree(micros in Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros()) {
            let moment = Timestamp::from_micros(micros);
            prop_assert_eq!(moment.to_string().parse::<Timestamp>(), Ok(moment));
        }

        #[test]
        fn text_sorts_as_time(a in Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros(), b in Timestamp::MIN.as_micros()..=Timestamp::MAX.as_micros()) {
            let (a, b) = (Timestamp::from_micros(a), Timestamp::from_micros(b));
            prop_assert_eq!(a.cmp(&b), a.to_string().cmp(&b.to_string()));
        }

        #[test]
        fn reading_never_panics(text in "[0-9TtZz:.+ -]{0,45}") {
            let _ = text.parse::<Timestamp>();
        }
    }
}
