//! What the suite found.

use std::fmt;

/// The verdict on an attention, rule by rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// In the order in which they were checked.
    pub rules: Vec<RuleReport>,
}

/// The verdict on one rule.
#[derive(Clone, Debug, PartialEq)]
pub struct RuleReport {
    /// Short name.
    pub name: &'static str,
    /// What the rule demands.
    pub law: &'static str,
    /// How many cases held before the first that did not.
    pub passed: u32,
    /// The smallest case found that breaks the rule, and how.
    pub failure: Option<String>,
}

impl Report {
    /// Whether every rule held.
    pub fn is_success(&self) -> bool {
        self.broken().next().is_none()
    }

    /// How many rules there are, and how many of them are broken.
    pub fn summary(&self) -> String {
        match self.broken().count() {
            0 => format!("{} rules hold", self.rules.len()),
            broken => format!("{broken} of {} rules broken", self.rules.len()),
        }
    }

    /// The rules that did not hold.
    pub fn broken(&self) -> impl Iterator<Item = &RuleReport> {
        self.rules.iter().filter(|rule| rule.failure.is_some())
    }
}

/// A table, with a line for each rule and the failures between them.
impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for rule in &self.rules {
            writeln!(f, "{rule}")?;
        }
        f.write_str(&self.summary())
    }
}

impl fmt::Display for RuleReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, law, passed, failure } = self;
        let verdict = if failure.is_none() { "ok" } else { "BROKEN" };
        write!(f, "{name:<12} {passed:>5} cases  {verdict:<6}  {law}")?;
        match failure {
            None => Ok(()),
            Some(failure) => write!(f, "\n    {}", failure.replace('\n', "\n    ")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_shows_what_broke_where() {
        let held = RuleReport { name: "polarity", law: "as it says", passed: 16, failure: None };
        let failure = Some("a\nb".to_owned());
        let broken = RuleReport { name: "leaks", law: "never", passed: 3, failure };
        let report = Report { rules: vec![held.clone(), broken] };
        assert!(!report.is_success());
        let table = "\
polarity        16 cases  ok      as it says
leaks            3 cases  BROKEN  never
    a
    b
1 of 2 rules broken";
        assert_eq!(report.to_string(), table);

        let report = Report { rules: vec![held] };
        assert!(report.is_success());
        assert!(report.to_string().ends_with("1 rules hold"));
    }
}
