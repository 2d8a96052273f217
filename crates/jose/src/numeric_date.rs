//! Moments as claims have them.

use serde_json::Value;

/// The last second of year 9999: whatever is later is no moment.
const LAST: f64 = 253_402_300_799.0;

/// The seconds of a NumericDate (RFC 7519 §2), rounded down; nothing when the value is none.
pub fn numeric_date(value: &Value) -> Option<i64> {
    let fraction = |seconds: f64| format!("{:.0}", seconds.floor()).parse().ok();
    let rounded = || value.as_f64().filter(|seconds| (0.0..=LAST).contains(seconds)).and_then(fraction);
    value.as_i64().or_else(rounded)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn rfc7519_section_2() {
        for (value, seconds) in [
            (json!(1_700_000_000), Some(1_700_000_000)),
            (json!(1_700_000_000.9), Some(1_700_000_000)),
            (json!(-1), Some(-1)),
            (json!(-0.5), None),
            (json!(1e300), None),
            (json!("1700000000"), None),
            (json!(null), None),
        ] {
            assert_eq!(numeric_date(&value), seconds, "{value}");
        }
    }
}
