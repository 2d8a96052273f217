//! Which of two kinds of answer a caller prefers (RFC 9110 §12.5.1).

use hyper::HeaderMap;
use hyper::header::ACCEPT;

/// How much a caller likes a media type.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
struct Liking {
    /// Thousandths, 0 to 1000; 0 is "not at all".
    quality: u16,
    /// How exactly it was named: 0 not at all, 1 `*/*`, 2 `type/*`, 3 by its name.
    precision: u8,
}

/// Whether a caller named the media type `special` and likes it better than JSON, which is what everybody else gets. Of
/// two that are liked as much the one that is named more exactly wins, and JSON when both are.
pub(crate) fn prefers(special: &str, headers: &HeaderMap) -> bool {
    let ranges = || {
        let values = headers.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(','))
    };
    let wanted = liking(special, ranges());
    wanted.precision == 3 && wanted.quality > 0 && wanted > liking("application/json", ranges())
}

/// What the most exact range that covers a media type says of it.
fn liking<'r>(media: &str, ranges: impl Iterator<Item = &'r str>) -> Liking {
    let said = ranges.filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        let precision = covers(parts.next()?, media)?;
        Some(Liking { quality: parts.find_map(quality).unwrap_or(1000), precision })
    });
    said.max_by_key(|liking| (liking.precision, liking.quality)).unwrap_or_default()
}

fn covers(range: &str, media: &str) -> Option<u8> {
    if range.eq_ignore_ascii_case(media) {
        return Some(3);
    }
    let (kind, any) = range.split_once('/')?;
    let (of_media, _) = media.split_once('/')?;
    match (kind, any) {
        ("*", "*") => Some(1),
        (kind, "*") if kind.eq_ignore_ascii_case(of_media) => Some(2),
        _ => None,
    }
}

/// The weight in thousandths (RFC 9110 §12.4.2); one that is malformed is "not at all".
fn quality(parameter: &str) -> Option<u16> {
    let (name, value) = parameter.split_once('=')?;
    if !name.trim().eq_ignore_ascii_case("q") {
        return None;
    }
    let (whole, rest) = value.trim().split_once('.').unwrap_or((value.trim(), ""));
    let well_formed = rest.len() <= 3 && rest.bytes().all(|byte| byte.is_ascii_digit());
    let thousandths: u16 = format!("{rest:0<3}").parse().ok().filter(|_| well_formed).unwrap_or_default();
    Some(match whole {
        "0" if well_formed => thousandths,
        "1" if well_formed && thousandths == 0 => 1000,
        _ => 0,
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    const SPECIAL: &str = "application/token-introspection+jwt";

    #[track_caller]
    fn check(values: &[&str], expected: bool) {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(ACCEPT, value.parse().unwrap());
        }
        assert_eq!(prefers(SPECIAL, &headers), expected, "{values:?}");
    }

    #[test]
    fn rfc9110_section_12_5_1() {
        check(&[], false);
        check(&["*/*"], false);
        check(&["application/*"], false);
        check(&["application/json"], false);
        check(&["text/html"], false);
        check(&[SPECIAL], true);
        check(&["Application/Token-Introspection+JWT"], true);
        check(&["application/token-introspection+jwt;q=0"], false);
        check(&["application/token-introspection+jwt;q=0.0"], false);
        check(&["application/token-introspection+jwt, */*"], true);
        check(&["*/*", SPECIAL], true);
        check(&["*/*, application/token-introspection+jwt; q=0.1"], false);
        check(&["application/json, application/token-introspection+jwt"], false);
        check(&["application/json;q=0.9, application/token-introspection+jwt"], true);
        check(&["application/json, application/token-introspection+jwt;q=0.999"], false);
        check(&["application/json;q=0, application/token-introspection+jwt;q=0.001"], true);
        check(&["application/json;q=0, */*, application/token-introspection+jwt;q=0.5"], true);
        check(&["application/*;q=0.2, application/token-introspection+jwt;q=0.3"], true);
    }

    #[test]
    fn what_is_malformed_is_not_wanted() {
        for wrong in ["q=2", "q=1.5", "q=0.1234", "q=-1", "q=", "q=x", "q=0.5x", "q=1.", "q=+1"] {
            let expected = wrong == "q=1.";
            check(&[&format!("{SPECIAL};{wrong}")], expected);
        }
        check(&[&format!("{SPECIAL};charset=x;q=0")], false);
        check(&["application/token-introspection", "/", "", ",;,"], false);
        check(&["application/token-introspection+jwt+x"], false);
    }
}
