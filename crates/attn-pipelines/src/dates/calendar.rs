//! The Gregorian calendar of one century.

use std::fmt;

/// A date from 1950-01-01 to 2049-12-31; displayed as ISO 8601.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Date {
    year: u32,
    month: u32,
    day: u32,
}

impl Date {
    const YEARS: std::ops::RangeInclusive<u32> = 1950..=2049;

    /// A date, if the calendar has it within the century.
    pub fn new(year: u32, month: u32, day: u32) -> Option<Self> {
        let valid = Self::YEARS.contains(&year)
            && (1..=12).contains(&month)
            && (1..=days_in_month(year, month)).contains(&day);
        valid.then_some(Self { year, month, day })
    }

    /// Every date, in order.
    pub fn all() -> impl Iterator<Item = Self> {
        Self::YEARS.flat_map(|year| {
            (1..=12).flat_map(move |month| {
                (1..=days_in_month(year, month)).map(move |day| Self { year, month, day })
            })
        })
    }

    /// 1950 to 2049.
    pub fn year(self) -> u32 {
        self.year
    }

    /// 1 to 12.
    pub fn month(self) -> u32 {
        self.month
    }

    /// 1 to 31.
    pub fn day(self) -> u32 {
        self.day
    }

    /// Days since 1950-01-01.
    pub fn days(self) -> u32 {
        let years: u32 = (1950..self.year).map(|year| 365 + u32::from(is_leap(year))).sum();
        let months: u32 = (1..self.month).map(|month| days_in_month(self.year, month)).sum();
        years + months + self.day - 1
    }

    /// 0 is Monday, 6 is Sunday.
    pub fn weekday(self) -> usize {
        const FIRST: u32 = 6; // 1950-01-01 was a Sunday.
        ((self.days() + FIRST) % 7) as usize
    }
}

fn is_leap(year: u32) -> bool {
    (year.is_multiple_of(4) && !year.is_multiple_of(100)) || year.is_multiple_of(400)
}

fn days_in_month(year: u32, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Zeller's congruence (1886): it counts no days, so it shares no mistake with `weekday`.
    fn zeller(date: Date) -> usize {
        let (year, month) =
            if date.month < 3 { (date.year - 1, date.month + 12) } else { (date.year, date.month) };
        let (century, year) = (year / 100, year % 100);
        let saturday_is_0 =
            date.day + 13 * (month + 1) / 5 + year + year / 4 + century / 4 + 5 * century;
        ((saturday_is_0 + 5) % 7) as usize
    }

    #[test]
    fn weekdays_agree_with_zeller() {
        for date in Date::all() {
            assert_eq!(date.weekday(), zeller(date), "{date}");
        }
        let tuesday = 1;
        assert_eq!(Date::new(1987, 3, 3).unwrap().weekday(), tuesday);
    }

    #[test]
    fn all_dates_are_one_day_apart_and_valid() {
        for (days, date) in Date::all().enumerate() {
            assert_eq!(date.days() as usize, days);
            assert_eq!(Date::new(date.year, date.month, date.day), Some(date));
        }
        assert_eq!(Date::all().count(), 100 * 365 + 25);
    }

    #[test]
    fn a_date_that_the_calendar_lacks_is_refused() {
        for (year, month, day) in [(1949, 12, 31), (2050, 1, 1), (2001, 2, 29), (2000, 4, 31)] {
            assert_eq!(Date::new(year, month, day), None);
        }
        assert!(Date::new(2000, 2, 29).is_some());
        assert_eq!(Date::new(2001, 0, 1), None);
        assert_eq!(Date::new(2001, 13, 1), None);
        assert_eq!(Date::new(2001, 1, 0), None);
    }
}
