//! Times for people.

/// Unix seconds as `2026-01-31 23:59:59Z`.
pub(crate) fn utc(unix: u64) -> String {
    let (days, second) = (unix / 86_400, unix % 86_400);
    // Days since 0000-03-01 in eras of 400 years (Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms").
    let days = days + 719_468;
    let (era, day) = (days / 146_097, days % 146_097);
    let year = (day - day / 1_460 + day / 36_524 - day / 146_096) / 365;
    let day = day - (365 * year + year / 4 - year / 100);
    let month = (5 * day + 2) / 153;
    let day = day - (153 * month + 2) / 5 + 1;
    let (month, carry) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    let year = era * 400 + year + carry;
    format!("{year:04}-{month:02}-{day:02} {:02}:{:02}:{:02}Z", second / 3600, second / 60 % 60, second % 60)
}

/// The same without its seconds: `2026-01-31 23:59Z`.
pub(crate) fn utc_minute(unix: u64) -> String {
    let whole = utc(unix);
    whole.rsplit_once(':').map_or(whole.clone(), |(minute, _)| format!("{minute}Z"))
}

#[cfg(test)]
mod tests {
    #[test]
    fn known_days() {
        assert_eq!(super::utc(0), "1970-01-01 00:00:00Z");
        assert_eq!(super::utc(951_782_400), "2000-02-29 00:00:00Z");
        assert_eq!(super::utc(1_700_000_000), "2023-11-14 22:13:20Z");
        assert_eq!(super::utc_minute(1_700_000_000), "2023-11-14 22:13Z");
        assert_eq!(super::utc(4_107_542_399), "2100-02-28 23:59:59Z");
        assert_eq!(super::utc(4_107_542_400), "2100-03-01 00:00:00Z");
    }
}
