//! The law holds on the processor backends; with the feature `wgpu`, there too:
//! `cargo test -p attn-core --features wgpu --test conformance`.

mod mistakes;
mod oracle;

use attn_core::conformance::{Options, run};
use burn::tensor::Device;

/// Many shapes, because a processor compiles nothing for them.
fn thorough() -> Options {
    Options { cases: 24, shapes: 24, ..Options::default() }
}

/// Sizes at the seams of kernels, and more keys than a block of 512. Few, because the oracle takes
/// each pair by itself.
fn long() -> Options {
    Options { cases: 3, shapes: 12, max_size: 80, max_steps: 600, ..Options::default() }
}

#[test]
#[allow(deprecated)]
fn ndarray_keeps_the_law_at_its_seams() {
    let report = run(&Device::ndarray(), &long());
    assert!(report.is_success(), "{report}");
}

#[test]
fn flex_keeps_the_law_at_its_seams() {
    let report = run(&Device::flex(), &long());
    assert!(report.is_success(), "{report}");
}

#[test]
#[allow(deprecated)]
fn ndarray_keeps_the_law() {
    let report = run(&Device::ndarray(), &thorough());
    assert!(report.is_success(), "{report}");
}

#[test]
fn flex_keeps_the_law() {
    let report = run(&Device::flex(), &thorough());
    assert!(report.is_success(), "{report}");
}

#[test]
#[cfg(feature = "wgpu")]
fn wgpu_keeps_the_law() {
    let report = run(&Device::wgpu(Default::default()), &Options::default());
    assert!(report.is_success(), "{report}");
}

#[test]
fn a_device_that_has_autodiff_is_checked_as_one_that_has_not() {
    let options = Options { cases: 1, ..Options::default() };
    let report = run(&Device::flex().autodiff(), &options);
    assert_eq!(report, run(&Device::flex(), &options));
}
