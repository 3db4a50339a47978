//! Running the rules.

use super::attention::{Attention, Library};
use super::cases::{Sizes, cases};
use super::noise::Noise;
use super::report::{Report, RuleReport};
use super::rules::{RULES, Rule};
use super::subject::Subject;
use burn::tensor::Device;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, RngSeed, TestCaseError, TestError, TestRunner};
use std::cell::Cell;

/// The fewest sizes of which no two need to be equal.
const SMALLEST_MAX_SIZE: usize = 7;

/// How thorough the suite is.
#[derive(Clone, Debug, PartialEq)]
pub struct Options {
    /// Cases of each rule.
    pub cases: u32,
    /// Of shapes, masks, options and numbers.
    pub seed: u64,
    /// How many different shapes the cases share. A device that compiles or tunes its kernels for
    /// each new shape spends its time there, not on the cases.
    pub shapes: usize,
    /// The largest size of an axis other than the heads; at least 7, else it is taken as 7.
    pub max_size: usize,
    /// The largest number of queries and keys, where that is more than `max_size`. Sizes then lie at
    /// and around those by which kernels cut, and there are few batch rows and heads.
    pub max_steps: usize,
    /// Of the device's arithmetic: the distance from 1 to the next number. Products in TF32, as
    /// tensor cores take them, have 2⁻¹⁰.
    pub epsilon: f64,
}

impl Default for Options {
    /// Few shapes, and small ones, so that a device that compiles kernels is done in minutes.
    fn default() -> Self {
        Self {
            cases: 16,
            seed: 0,
            shapes: 4,
            max_size: 9,
            max_steps: 9,
            epsilon: f64::from(f32::EPSILON),
        }
    }
}

/// Checks this crate's attention on a device. Whether the device has autodiff does not matter.
pub fn run(device: &Device, options: &Options) -> Report {
    run_with(&Library, device, options)
}

/// Checks another attention. A panic in it is a failure of the rule that caused it.
pub fn run_with(attention: &dyn Attention, device: &Device, options: &Options) -> Report {
    Report { rules: RULES.iter().map(|rule| rule.run(attention, device, options)).collect() }
}

impl Rule {
    /// Checks an attention by this rule alone.
    pub fn run(&self, attention: &dyn Attention, device: &Device, options: &Options) -> RuleReport {
        let device = device.clone().without_autodiff();
        let cases = cases(sizes(options), &device);
        let subject = Subject { attention, device, epsilon: options.epsilon };
        let (passed, broken) = (Cell::new(0), Cell::new(false));
        let result = runner(options, self.name).run(&cases, |case| {
            // Set before the check, which may panic, and kept while a failing case is shrunk.
            let was_broken = broken.replace(true);
            (self.check)(&subject, &case).map_err(TestCaseError::fail)?;
            broken.set(was_broken);
            passed.update(|passed| if was_broken { passed } else { passed + 1 });
            Ok(())
        });
        let failure = result.err().map(|error| match error {
            TestError::Fail(reason, case) => format!("{reason}\n{case:?}"),
            TestError::Abort(reason) => reason.to_string(),
        });
        RuleReport { name: self.name, law: self.law, passed: passed.get(), failure }
    }
}

/// The shapes that all cases share, the smallest first: that is where failures shrink to.
fn sizes(options: &Options) -> Vec<Sizes> {
    let max_size = options.max_size.max(SMALLEST_MAX_SIZE);
    let strategy = if options.max_steps > max_size {
        Sizes::long(max_size, options.max_steps).boxed()
    } else {
        Sizes::up_to(max_size).boxed()
    };
    let mut runner = runner(options, "sizes");
    let mut draw = || strategy.new_tree(&mut runner).expect("nothing is rejected").current();
    let mut sizes: Vec<_> = (0..options.shapes.max(1)).map(|_| draw()).collect();
    sizes.sort_by_key(|sizes| sizes.pairs().iter().product::<usize>());
    sizes
}

/// A runner whose cases follow from the seed, each name's its own, and which leaves no files behind.
fn runner(options: &Options, name: &str) -> TestRunner {
    TestRunner::new(Config {
        cases: options.cases,
        rng_seed: RngSeed::Fixed(Noise::new(options.seed, name).bits()),
        failure_persistence: None,
        // Enough to get to the smallest shape; each costs what a case costs.
        max_shrink_iters: 32,
        ..Config::default()
    })
}
